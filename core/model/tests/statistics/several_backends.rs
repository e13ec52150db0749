//! Several backends: a best one must be shown to be better than every other, also
//! than one that scatters more.

use inferbench_model::config::Level;
use inferbench_model::metrics;
use inferbench_model::report::{Comparison, Outcome, Row, comparisons};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{THROUGHPUT, assert_at_least, assert_at_most, normal, row};

const LABELS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A backend: its true value, and the scatter of its starts on the log scale.
type True = (f64, f64);

/// The comparison of one level of one experiment.
fn compared(rng: &mut ChaCha8Rng, backends: &[True], repeats: usize) -> Comparison {
    let rows = backends
        .iter()
        .zip(LABELS)
        .map(|((value, scatter), label)| {
            let one = |_| value * (scatter * normal(rng)).exp();
            let values: Vec<f64> = (0..repeats).map(one).collect();
            row(label, 1, THROUGHPUT, &values)
        });
    let rows: Vec<Row> = rows.collect();
    let metric = metrics::named(THROUGHPUT).unwrap();
    let mut found = comparisons(&rows, &[Level::Concurrency(1)], metric);
    found.remove(0)
}

/// In how many of `n` experiments a backend is called fastest that is not.
fn wrong(seed: u64, n: usize, backends: &[True], repeats: usize) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let most = backends.iter().map(|(value, _)| *value).fold(0.0, f64::max);
    let best = backends.iter().filter(|(value, _)| *value == most);
    let alone = best.count() == 1;
    let is_wrong = |rng: &mut ChaCha8Rng| {
        let found = compared(rng, backends, repeats);
        let place = LABELS
            .iter()
            .position(|label| *label == found.best)
            .unwrap();
        let is_best = alone && backends[place].0 == most;
        found.outcome == Outcome::Faster && !is_best
    };
    (0..n).filter(|_| is_wrong(&mut rng)).count()
}

#[test]
fn a_third_that_scatters_and_is_as_fast_leaves_no_fastest_in_19_of_20() {
    // a is 10 % faster than b, and c is as fast as a or faster: held against b alone,
    // a comes out as the fastest in one of six.
    for (c, scatter) in [(1.10, 0.10), (1.10, 0.20), (1.155, 0.20)] {
        for repeats in [2, 3, 5] {
            let found = wrong(11, 150, &[(1.10, 0.01), (1.0, 0.01), (c, scatter)], repeats);
            assert_at_most(0.05, found, 150, &format!("c {c}, {repeats} repeats"));
        }
    }
}

#[test]
fn three_to_six_equal_backends_of_unequal_scatter_have_no_fastest_in_19_of_20() {
    for backends in [3, 4, 6_usize] {
        for (least, most) in [(0.01, 0.3), (0.2, 0.2)] {
            let share = |place: usize| place as f64 / (backends - 1) as f64;
            let scatter = |place: usize| least * f64::powf(most / least, share(place));
            let all: Vec<True> = (0..backends).map(|place| (1.0, scatter(place))).collect();
            for repeats in [2, 3, 5] {
                let found = wrong(12, 120, &all, repeats);
                let what = format!("{backends} backends, {least} to {most}, {repeats} repeats");
                assert_at_most(0.05, found, 120, &what);
            }
        }
    }
}

#[test]
fn a_backend_that_is_a_third_faster_than_all_is_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let all = [(1.0, 0.02), (1.3, 0.02), (1.0, 0.05), (0.9, 0.02)];
    let finds = |rng: &mut ChaCha8Rng| {
        let found = compared(rng, &all, 5);
        found.best == "b" && found.outcome == Outcome::Faster
    };
    let found = (0..200).filter(|_| finds(&mut rng)).count();
    assert_at_least(0.99, found, 200, "5 repeats");
}

#[test]
fn the_best_is_the_one_whose_repeats_lead() {
    // The mean of a is 144, that of b 130; the geometric means are 100 * 3.2^(1/5) =
    // 126 and 130.
    let a = row("a", 1, THROUGHPUT, &[100.0, 100.0, 100.0, 100.0, 320.0]);
    let b = row("b", 1, THROUGHPUT, &[130.0; 5]);
    let metric = metrics::named(THROUGHPUT).unwrap();
    let found = comparisons(&[a, b], &[Level::Concurrency(1)], metric);
    assert_eq!(found[0].best, "b");
    assert!(found[0].best_value < found[0].second_value.unwrap());
}

#[test]
fn those_that_the_best_was_not_shown_to_beat_are_named() {
    let level = [Level::Concurrency(1)];
    let metric = metrics::named(THROUGHPUT).unwrap();
    let a = row("a", 1, THROUGHPUT, &[110.0, 111.0, 109.0]);
    let b = row("b", 1, THROUGHPUT, &[100.0, 101.0, 99.0]);
    let c = row("c", 1, THROUGHPUT, &[150.0, 60.0, 80.0]);
    let found = comparisons(&[a.clone(), b.clone(), c], &level, metric);
    assert_eq!(found[0].outcome, Outcome::Inconclusive);
    assert_eq!(
        (found[0].best.as_str(), found[0].second.as_deref()),
        ("a", Some("b"))
    );
    assert_eq!(found[0].not_cleared, ["c"]);
    let two = comparisons(&[a, b], &level, metric);
    assert_eq!(two[0].outcome, Outcome::Faster);
    assert!(two[0].not_cleared.is_empty());
}
