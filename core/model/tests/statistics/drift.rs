//! Drift: found where the machine slows down, and not where only starts scatter.

use inferbench_model::config::Level;
use inferbench_model::report::{Row, find_drift};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{THROUGHPUT, assert_at_least, assert_at_most, normal, row};

/// A run whose starts scatter by `scatter`, and the levels of a start by 0.3 % around
/// it; over all repeats everything becomes slower by `fall`, on the log scale.
struct Design {
    backends: usize,
    levels: u32,
    repeats: usize,
    scatter: f64,
    fall: f64,
}

impl Design {
    fn rows(&self, rng: &mut ChaCha8Rng) -> Vec<Row> {
        let mut rows = Vec::new();
        for label in ["a", "b", "c", "d", "e"].iter().take(self.backends) {
            let starts: Vec<f64> = (0..self.repeats)
                .map(|repeat| {
                    let share = repeat as f64 / (self.repeats - 1) as f64;
                    self.scatter * normal(rng) - self.fall * share
                })
                .collect();
            for level in 1..=self.levels {
                let values = starts.iter().map(|log| (log + 0.003 * normal(rng)).exp());
                let values: Vec<f64> = values.collect();
                rows.push(row(label, level, THROUGHPUT, &values));
            }
        }
        rows
    }

    /// In how many of `n` runs a drift is warned of.
    fn warned(&self, seed: u64, n: usize) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let levels: Vec<Level> = (1..=self.levels).map(Level::Concurrency).collect();
        let warns = |rng: &mut ChaCha8Rng| {
            find_drift(&self.rows(rng), &levels).is_some_and(|drift| drift.matters())
        };
        (0..n).filter(|_| warns(&mut rng)).count()
    }
}

#[test]
fn starts_that_scatter_are_no_drift_in_19_of_20_runs() {
    for (backends, repeats) in [(1, 3), (1, 5), (2, 3), (2, 5), (3, 2), (5, 3)] {
        for scatter in [0.02, 0.05] {
            let design = Design {
                backends,
                levels: 3,
                repeats,
                scatter,
                fall: 0.0,
            };
            let what = format!("{backends} backends, {repeats} repeats, scatter {scatter}");
            assert_at_most(0.05, design.warned(21, 500), 500, &what);
        }
    }
}

#[test]
fn a_drift_of_a_tenth_over_five_repeats_is_found() {
    for (backends, scatter, least) in [(1, 0.01, 0.99), (2, 0.02, 0.98), (2, 0.03, 0.90)] {
        let design = Design {
            backends,
            levels: 3,
            repeats: 5,
            scatter,
            fall: -(0.9_f64.ln()),
        };
        let what = format!("{backends} backends, scatter {scatter}");
        assert_at_least(least, design.warned(22, 300), 300, &what);
    }
}
