//! Two runs: what their interval covers, what the gate finds, and whether as many
//! repeats as it suggests are enough.

use inferbench_model::metrics::Better;
use inferbench_model::report::runs::{GateState, gate_states};
use inferbench_model::report::{Interval, Outcome, outcomes};
use inferbench_model::stats::inference::{paired_ratio, unpaired_ratio};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::{assert_at_least, assert_at_most, assert_published, normal, of_book};

/// Repeats around 1 / (1 + `fall`), on the log scale.
fn repeats(rng: &mut ChaCha8Rng, n: usize, fall: f64, scatter: f64) -> Vec<f64> {
    let one = |_| (1.0 - fall) * (scatter * normal(rng)).exp();
    (0..n).map(one).collect()
}

#[test]
fn intervals_between_runs_of_unequal_numbers_of_repeats_cover_19_of_20() {
    // by Welch's degrees of freedom 89 to 93 of 100 where the smaller group scatters more
    for (few, many) in [(2, 3), (2, 5), (2, 10), (3, 10)] {
        for (of_few, of_many) in [(0.02, 0.02), (0.06, 0.02), (0.02, 0.06), (0.20, 0.02)] {
            let mut rng = ChaCha8Rng::seed_from_u64(51);
            let covers = |rng: &mut ChaCha8Rng| {
                let first = repeats(rng, few, 0.0, of_few);
                let second = repeats(rng, many, 0.0, of_many);
                let interval = unpaired_ratio(&first, &second).unwrap();
                (interval.low..=interval.high).contains(&1.0)
            };
            let found = (0..1000).filter(|_| covers(&mut rng)).count();
            let what = format!("{few} and {many} repeats, scatter {of_few} and {of_many}");
            assert_at_least(0.95, found, 1000, &what);
        }
    }
}

/// A run against its baseline, at so many levels that all fall by `fall`.
struct Design {
    levels: usize,
    repeats: usize,
    fall: f64,
    scatter: f64,
}

impl Design {
    fn states(&self, rng: &mut ChaCha8Rng) -> Vec<GateState> {
        let levels = (0..self.levels).map(|_| {
            let is = repeats(rng, self.repeats, self.fall, self.scatter);
            let was = repeats(rng, self.repeats, 0.0, self.scatter);
            (unpaired_ratio(&is, &was).unwrap(), Better::Higher)
        });
        let levels: Vec<(Interval, Better)> = levels.collect();
        gate_states(&levels, 0.05)
    }

    /// In how many of `n` comparisons the checks are as wanted.
    fn count(&self, n: usize, wanted: impl Fn(&[GateState]) -> bool) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(52);
        (0..n).filter(|_| wanted(&self.states(&mut rng))).count()
    }
}

fn fails(states: &[GateState]) -> bool {
    states.contains(&GateState::Regressed)
}

fn holds(states: &[GateState]) -> bool {
    states.iter().all(|state| *state == GateState::Held)
}

#[test]
fn a_fall_within_the_limit_fails_the_gate_in_at_most_one_of_forty_comparisons() {
    for (fall, levels) in [(0.03, 1), (0.03, 6), (0.05, 1), (0.05, 6)] {
        for (repeats, scatter) in [(2, 0.03), (3, 0.01), (3, 0.03), (4, 0.05)] {
            let design = Design {
                levels,
                repeats,
                fall,
                scatter,
            };
            let what = format!("{fall}, {levels} levels, {repeats} repeats, scatter {scatter}");
            assert_at_most(0.025, design.count(120, fails), 120, &what);
        }
    }
}

#[test]
fn a_fall_beyond_the_limit_is_found_and_is_not_said_to_hold() {
    let design = |repeats, scatter| Design {
        levels: 1,
        repeats,
        fall: 0.10,
        scatter,
    };
    assert_at_least(
        0.98,
        design(3, 0.01).count(200, fails),
        200,
        "3 repeats, 1 %",
    );
    assert_at_least(
        0.95,
        design(5, 0.02).count(200, fails),
        200,
        "5 repeats, 2 %",
    );
    for (repeats, scatter) in [(2, 0.05), (3, 0.03), (3, 0.10), (5, 0.05)] {
        let what = format!("{repeats} repeats, scatter {scatter}");
        assert_at_most(
            0.025,
            design(repeats, scatter).count(400, holds),
            400,
            &what,
        );
    }
}

#[test]
fn the_table_of_the_gate_in_the_book_is_what_comes_out() {
    for (scatter, repeats) in [(0.01, 3), (0.02, 3), (0.02, 5), (0.03, 3), (0.03, 5)] {
        let head = format!("| 1 level | {:.0} % | {repeats} |", scatter * 100.0);
        let published = of_book(&head);
        assert_eq!(published.len(), 5, "{head}");
        for (fall, published) in [0.0, 0.03, 0.05, 0.10].into_iter().zip(&published) {
            let design = Design {
                levels: 1,
                repeats,
                fall,
                scatter,
            };
            let what = format!("{head} fall {fall}");
            assert_published(*published, design.count(300, fails), 300, &what);
            if fall == 0.0 {
                assert_published(published_hold(&head), design.count(300, holds), 300, &what);
            }
        }
    }
}

fn published_hold(head: &str) -> f64 {
    *of_book(head).last().unwrap()
}

#[test]
fn equal_at_any_of_six_levels_is_wrong_in_at_most_one_of_twenty_runs() {
    let mut rng = ChaCha8Rng::seed_from_u64(53);
    for (repeats, scatter) in [(3, 0.005), (3, 0.01), (5, 0.02)] {
        // The truth is just outside of the margin.
        let mut wrong = || {
            let level = |_| {
                let pairs = (0..repeats).map(|_| (1.031 * (scatter * normal(&mut rng)).exp(), 1.0));
                paired_ratio(&pairs.collect::<Vec<_>>()).unwrap()
            };
            let levels: Vec<Interval> = (0..6).map(level).collect();
            outcomes(&levels, Better::Higher).contains(&Outcome::Equivalent)
        };
        let found = (0..600).filter(|_| wrong()).count();
        assert_at_most(
            0.05,
            found,
            600,
            &format!("{repeats} repeats, scatter {scatter}"),
        );
    }
}

/// Of runs of three repeats that leave open who is faster, the share that decides with
/// as many repeats as are suggested, one of `levels` that are all alike.
fn decided_with_the_hint(ratio: f64, scatter: f64, levels: usize) -> (usize, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(54);
    let (mut told, mut decided) = (0, 0);
    let margin = 1.03_f64.ln();
    let draw = |rng: &mut ChaCha8Rng, n: usize| -> Vec<(f64, f64)> {
        (0..n)
            .map(|_| (ratio * (scatter * normal(rng)).exp(), 1.0))
            .collect()
    };
    for _ in 0..400 {
        let first: Vec<Vec<(f64, f64)>> = (0..levels).map(|_| draw(&mut rng, 3)).collect();
        let intervals = |all: &[Vec<(f64, f64)>]| -> Vec<Interval> {
            all.iter()
                .map(|pairs| paired_ratio(pairs).unwrap())
                .collect()
        };
        let found = intervals(&first);
        if outcomes(&found, Better::Higher)
            .iter()
            .any(|o| *o != Outcome::Inconclusive)
        {
            continue;
        }
        let tail = 0.025 / levels as f64;
        let of = |i: &Interval| i.blocks_to_clear((i.ratio.ln() - margin).abs(), tail);
        let Some(n) = found.iter().map(of).collect::<Option<Vec<u32>>>() else {
            continue;
        };
        let n = n.into_iter().max().unwrap_or(3).max(3) as usize;
        let more = first
            .into_iter()
            .map(|own| [own, draw(&mut rng, n - 3)].concat());
        let again = intervals(&more.collect::<Vec<_>>());
        told += 1;
        let all = outcomes(&again, Better::Higher);
        decided += usize::from(all[0] != Outcome::Inconclusive);
    }
    (decided, told)
}

#[test]
fn as_many_repeats_as_are_suggested_likely_decide() {
    for (ratio, scatter, levels) in [(1.08, 0.03, 1), (1.10, 0.05, 1), (1.10, 0.05, 3)] {
        let (decided, told) = decided_with_the_hint(ratio, scatter, levels);
        let what = format!("{ratio}, scatter {scatter}, {levels} levels");
        assert!(told > 50, "{what}: {told}");
        assert_at_least(0.70, decided, told, &what);
    }
}
