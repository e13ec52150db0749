//! Drift: found where the machine slows down, and not where only starts scatter.

use inferbench_model::config::Level;
use inferbench_model::report::{Row, find_drift};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{
    THROUGHPUT, assert_at_least, assert_at_most, assert_published, normal, of_book, row,
};

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

#[test]
fn the_table_of_drift_in_the_book_is_what_comes_out() {
    for (head, backends) in [
        ("| 1 backend |", 1),
        ("| 2 backends |", 2),
        ("| 3 backends |", 3),
    ] {
        for scatter in [0.02, 0.03] {
            let head = format!("{head} {:.0} % |", scatter * 100.0);
            // with one backend, three repeats are too few
            let published = of_book(&head);
            let repeats: &[usize] = if backends == 1 { &[5, 10] } else { &[3, 5, 10] };
            assert_eq!(published.len(), 2 * repeats.len(), "{head}");
            for (repeats, published) in repeats.iter().zip(published.chunks(2)) {
                for (fall, published) in [0.0, -(0.9_f64.ln())].into_iter().zip(published) {
                    let design = Design {
                        backends,
                        levels: 1,
                        repeats: *repeats,
                        scatter,
                        fall,
                    };
                    let what = format!("{head} {repeats} repeats, {fall}");
                    assert_published(*published, design.warned(23, 400), 400, &what);
                }
            }
        }
    }
}
