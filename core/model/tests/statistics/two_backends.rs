//! Two backends: how often a verdict is wrong, and how often it finds what is there.

use inferbench_model::metrics::Better;
use inferbench_model::report::{Outcome, outcomes};
use inferbench_model::stats::inference::{Interval, paired_ratio};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{assert_at_most, normal, of_book};

/// One level of one experiment: both backends in each repeat, the log ratio
/// around `log_ratio` with the scatter `scatter`; the better one comes first.
fn level(rng: &mut ChaCha8Rng, blocks: usize, log_ratio: f64, scatter: f64) -> Interval {
    let pairs: Vec<(f64, f64)> = (0..blocks)
        .map(|_| ((log_ratio + scatter * normal(rng)).exp(), 1.0))
        .collect();
    let interval = paired_ratio(&pairs).unwrap();
    if interval.ratio >= 1.0 {
        return interval;
    }
    let swapped: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
    paired_ratio(&swapped).unwrap()
}

#[test]
fn equal_backends_are_called_faster_in_at_most_a_twentieth_of_all_experiments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Scatter far above the margin, which then protects nothing.
    for (blocks, scatter) in [(2, 0.5), (3, 0.5), (5, 0.3), (10, 0.3)] {
        let is_wrong = |rng: &mut ChaCha8Rng| {
            let levels: Vec<Interval> = (0..6).map(|_| level(rng, blocks, 0.0, scatter)).collect();
            outcomes(&levels, Better::Higher).contains(&Outcome::Faster)
        };
        let wrong = (0..1000).filter(|_| is_wrong(&mut rng)).count();
        assert_at_most(0.05, wrong, 1000, &format!("{blocks} repeats"));
    }
}

#[test]
fn intervals_cover_the_truth_in_95_of_100_cases() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for blocks in [2, 3, 5, 10] {
        let covers = |rng: &mut ChaCha8Rng| {
            let pairs: Vec<(f64, f64)> = (0..blocks)
                .map(|_| ((0.3 + 0.1 * normal(rng)).exp(), 1.0))
                .collect();
            let interval = paired_ratio(&pairs).unwrap();
            (interval.low..=interval.high).contains(&0.3_f64.exp())
        };
        let covered = (0..10_000).filter(|_| covers(&mut rng)).count();
        let share = covered as f64 / 10_000.0;
        assert!((0.93..=0.97).contains(&share), "{blocks} repeats: {share}");
    }
}

/// Share of experiments with one level that find a difference.
fn power(blocks: usize, difference: f64, scatter: f64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let finds = |rng: &mut ChaCha8Rng| {
        let found = level(rng, blocks, (1.0 + difference).ln(), scatter);
        outcomes(&[found], Better::Higher)[0] == Outcome::Faster
    };
    (0..4000).filter(|_| finds(&mut rng)).count() as f64 / 4000.0
}

#[test]
fn the_table_of_power_in_the_book_is_what_comes_out() {
    for difference in [0.05, 0.10] {
        for scatter in [0.01, 0.02, 0.05] {
            let head = format!("| {:.0} % | {:.0} % |", difference * 100.0, scatter * 100.0);
            let published = of_book(&head);
            let found = [3, 5, 10].map(|blocks| power(blocks, difference, scatter));
            assert_eq!(published.len(), 3, "{head}");
            for (published, found) in published.iter().zip(found) {
                assert!((published - found).abs() <= 0.025, "{head}: found {found}");
            }
        }
    }
}
