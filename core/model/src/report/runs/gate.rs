//! What must not become worse than in the baseline, and whether it did.
//!
//! A check fails if its figure is worse by more than the limit, tested against the
//! limit: all levels, backends and metrics together (Holm), so that a change within
//! the limit fails one in at most a fortieth of comparisons. It holds if the whole
//! interval lies within the limit. All checks holding is claimed only if each of them
//! does, which needs no correction for their number (Berger, Technometrics 24 (1982),
//! pages 295 to 300).

use super::baseline::PairAtLevel;
use super::gate_capacity;
use crate::metrics::{self, Better, Metric};
use crate::report::data::Report;
use crate::report::runs_data::{CAPACITY, Gate, GateCheck, GateRule, GateState};
use crate::report::verdict::chunking;
use crate::report::verdict::compare::FAILED_LIMIT;
use crate::report::verdict::family::{TAIL, Together};
use crate::report::verdict::ranking_metric::RankingMetric;
use crate::stats::inference::Interval;

/// What is checked beside the metric that decides who serves best, unless a rule names
/// its own.
const BESIDE: [&str; 2] = ["ttft_ms", "tpot_ms"];
/// Takes the place of `tpot_ms` where events carry different numbers of tokens.
const PER_TOKEN: &str = "decode_ms_per_token";

/// What is held against the baseline.
pub(super) struct Compared<'r> {
    /// Backends at the levels that both runs have.
    pub(super) pairs: &'r [PairAtLevel<'r>],
    /// Labels of a backend and of its baseline.
    pub(super) labels: &'r [(String, String)],
    /// The runs are searches: what they are for is the capacity.
    pub(super) are_searches: bool,
}

/// Checks every pair against the rule.
pub(super) fn decide(rule: &GateRule, report: &Report, compared: &Compared<'_>) -> Gate {
    let pairs = compared.pairs;
    let names = match rule.metrics.as_slice() {
        [] if compared.are_searches => vec![CAPACITY.to_owned()],
        [] => by_default(report, pairs),
        own => own.to_vec(),
    };
    let metrics = || names.iter().filter_map(|name| metrics::named(name));
    let mut tests: Vec<Test> = metrics()
        .flat_map(|metric| pairs.iter().filter_map(|pair| Test::new(metric, pair)))
        .collect();
    decide_together(&mut tests, rule.limit);
    let mut checks: Vec<GateCheck> = tests.into_iter().map(|test| test.check).collect();
    if names.iter().any(|name| name == CAPACITY) {
        let all = &report.capacity;
        checks.extend(gate_capacity::checks(all, compared.labels, rule.limit));
    }
    let has_check = |name: &&String| checks.iter().any(|check| check.metric == **name);
    let nothing_of = names.iter().filter(|name| !has_check(name)).cloned();
    let nothing_of: Vec<String> = nothing_of.collect();
    let fails = |check: &GateCheck| matches!(check.state, GateState::Regressed | GateState::Lost);
    Gate {
        limit: rule.limit,
        met: nothing_of.is_empty() && !checks.iter().any(fails),
        metrics: names,
        nothing_of,
        checks,
    }
}

/// The metric that decides, and of the others those that the baseline has.
fn by_default(report: &Report, pairs: &[PairAtLevel<'_>]) -> Vec<String> {
    let ranking = RankingMetric::choose(&report.levels, &report.comparisons).metric();
    let mixed = !chunking::mixed_levels(&report.rows, &report.levels).is_empty();
    let beside = BESIDE.map(|name| match name {
        "tpot_ms" if mixed => PER_TOKEN,
        name => name,
    });
    let is_known = |name: &&str| {
        pairs
            .iter()
            .any(|pair| pair.baseline.typical(name).is_some())
    };
    let all = std::iter::once(ranking).chain(beside.into_iter().filter(is_known));
    all.map(str::to_owned).collect()
}

/// A check before all are decided together.
struct Test {
    check: GateCheck,
    better: Better,
    interval: Option<Interval>,
}

impl Test {
    /// `None` if the baseline has no figure, so that nothing can be worse.
    fn new(metric: &Metric, pair: &PairAtLevel<'_>) -> Option<Self> {
        let (row, baseline) = (pair.row, pair.baseline);
        let was = baseline
            .typical(metric.name)
            .filter(|_| baseline.has_success())?;
        let value = row.typical(metric.name).filter(|_| row.has_success());
        let alone = pair.in_metric(metric).alone();
        let (interval, reason) = (alone.interval, alone.reason);
        let failing = row.failed_share() > FAILED_LIMIT && baseline.failed_share() <= FAILED_LIMIT;
        let state = match value {
            Some(_) if !failing => GateState::Undecided,
            _ => GateState::Lost,
        };
        let worse = |ratio: f64| worse_by(ratio, metric.better);
        let ratio = interval.map(|interval| interval.ratio);
        let ratio = ratio.or_else(|| value.map(|value| value / was));
        let ends = interval.map(|interval| (worse(interval.low), worse(interval.high)));
        let check = GateCheck {
            metric: metric.name.to_owned(),
            level: pair.level,
            backend: row.backend.clone(),
            baseline: baseline.backend.clone(),
            worse_by: ratio.filter(|ratio| ratio.is_finite()).map(worse),
            low: ends.map(|(a, b)| a.min(b)),
            high: ends.map(|(a, b)| a.max(b)),
            state,
            reason: reason.filter(|_| value.is_some()),
            shown_worse: false,
            blocks_to_decide: None,
            in_doubt: pair.in_doubt,
        };
        Some(Self {
            better: metric.better,
            interval: interval.filter(|_| reason.is_none() && state == GateState::Undecided),
            check,
        })
    }
}

/// A ratio to the baseline as the share by which it is worse.
fn worse_by(ratio: f64, better: Better) -> f64 {
    match better {
        Better::Higher => 1.0 - ratio,
        _ => ratio - 1.0,
    }
}

fn decide_together(tests: &mut [Test], limit: f64) {
    let open = tests
        .iter()
        .filter_map(|test| Some((test.interval?, test.better)));
    let intervals: Vec<(Interval, Better)> = open.collect();
    let mut found = decided(&intervals, limit).into_iter();
    for test in tests.iter_mut().filter(|test| test.interval.is_some()) {
        let Some(found) = found.next() else { continue };
        test.check.state = found.state;
        test.check.shown_worse = found.shown_worse;
        test.check.blocks_to_decide = found.blocks_to_decide;
    }
}

/// What intervals of a run to its baseline show, as checks of one gate.
#[must_use]
pub fn gate_states(intervals: &[(Interval, Better)], limit: f64) -> Vec<GateState> {
    let found = decided(intervals, limit).into_iter();
    found.map(|found| found.state).collect()
}

/// What is found of a check.
struct Found {
    state: GateState,
    shown_worse: bool,
    blocks_to_decide: Option<u32>,
}

/// A change that is worse, as a positive log ratio, and the interval that it is of.
struct Change {
    interval: Interval,
    better: Better,
}

impl Change {
    fn worse(&self) -> f64 {
        match self.better {
            Better::Higher => -self.interval.ratio.ln(),
            _ => self.interval.ratio.ln(),
        }
    }

    /// One-sided p value of being worse by more than `may`.
    fn p_beyond(&self, may: f64) -> f64 {
        match self.better {
            Better::Higher => self.interval.p_below(-may),
            _ => self.interval.p_above(may),
        }
    }

    /// What may be worse by `limit`, on the log scale.
    fn may(&self, limit: f64) -> f64 {
        match self.better {
            Better::Higher => -(1.0 - limit).ln(),
            _ => (1.0 + limit).ln(),
        }
    }

    /// Whether the whole interval lies within what may be worse.
    fn is_within(&self, may: f64) -> bool {
        match self.better {
            Better::Higher => self.interval.low.ln() >= -may,
            _ => self.interval.high.ln() <= may,
        }
    }
}

fn decided(intervals: &[(Interval, Better)], limit: f64) -> Vec<Found> {
    let each = intervals.iter().copied();
    let changes = each.map(|(interval, better)| Change { interval, better });
    let changes: Vec<Change> = changes.collect();
    let beyond = |limit: f64| {
        let p_values = changes
            .iter()
            .map(|change| change.p_beyond(change.may(limit)));
        Together::of_p_values(&p_values.collect::<Vec<f64>>())
    };
    let (regressed, worse) = (beyond(limit), beyond(0.0));
    let each = changes.iter().zip(regressed.holds.iter().zip(&worse.holds));
    let found = each.map(|(change, (regressed_by_more, shown_worse))| {
        let may = change.may(limit);
        let state = match (*regressed_by_more, change.is_within(may)) {
            (true, _) => GateState::Regressed,
            (false, true) => GateState::Held,
            (false, false) => GateState::Undecided,
        };
        let distance = change.worse() - may;
        let tail = if distance > 0.0 {
            regressed.next_tail
        } else {
            TAIL
        };
        let hint = || change.interval.blocks_to_clear(distance.abs(), tail);
        Found {
            state,
            shown_worse: *shown_worse,
            blocks_to_decide: (state == GateState::Undecided).then(hint).flatten(),
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::stats::inference::unpaired_ratio;

    /// Throughput of two runs of three repeats: 100 and `level` of it, both
    /// scattering by `scatter` on the log scale.
    fn throughput(level: f64, scatter: f64) -> Test {
        let around = |mean: f64| [-scatter, 0.0, scatter].map(|off| mean * off.exp());
        let interval = unpaired_ratio(&around(100.0 * level), &around(100.0)).unwrap();
        let worse = |ratio: f64| worse_by(ratio, Better::Higher);
        Test {
            check: GateCheck {
                metric: "output_token_throughput".to_owned(),
                level: Level::Concurrency(8),
                backend: "new".to_owned(),
                baseline: "old".to_owned(),
                worse_by: Some(worse(interval.ratio)),
                low: Some(worse(interval.high)),
                high: Some(worse(interval.low)),
                state: GateState::Undecided,
                reason: None,
                shown_worse: false,
                blocks_to_decide: None,
                in_doubt: false,
            },
            better: Better::Higher,
            interval: Some(interval),
        }
    }

    fn state(test: Test) -> GateState {
        let mut tests = [test];
        decide_together(&mut tests, 0.05);
        tests[0].check.state
    }

    #[test]
    fn what_is_just_beyond_the_limit_is_found_and_what_is_just_within_is_held() {
        // half the interval is t(4) = 2.776 times 0.001 * sqrt(2 / 3): 0.23 %
        assert_eq!(state(throughput(0.94, 0.001)), GateState::Regressed);
        assert_eq!(state(throughput(0.96, 0.001)), GateState::Held);
        assert_eq!(state(throughput(1.10, 0.001)), GateState::Held);
    }

    #[test]
    fn what_is_worse_and_not_surely_by_more_than_the_limit_is_undecided() {
        // 7 % worse, give or take 2.776 * 0.01 * sqrt(2 / 3) = 2.3 %: surely worse, and
        // maybe by less than 5 %
        let mut tests = [throughput(0.93, 0.01)];
        decide_together(&mut tests, 0.05);
        assert_eq!(tests[0].check.state, GateState::Undecided);
        assert!(tests[0].check.shown_worse);
    }

    #[test]
    fn wide_scatter_shows_and_excludes_nothing() {
        // half the interval is 2.776 * 0.1 * sqrt(2 / 3): 0.227 on the log scale
        for level in [0.90, 0.96, 1.05] {
            let mut tests = [throughput(level, 0.1)];
            decide_together(&mut tests, 0.05);
            assert_eq!(tests[0].check.state, GateState::Undecided, "{level}");
            assert!(!tests[0].check.shown_worse);
        }
    }

    #[test]
    fn one_of_ten_checks_faces_a_tenth_of_the_chance_and_the_hint_says_so() {
        // ln 0.95 - ln 0.85 = 0.1112 beyond the limit over an error of 0.0258 *
        // sqrt(2 / 3) = 0.0211 is t(4) = 5.28, p = 0.0031: below 0.025, above 0.025 / 10
        let mut alone = vec![throughput(0.85, 0.0258)];
        decide_together(&mut alone, 0.05);
        assert_eq!(alone[0].check.state, GateState::Regressed);
        let mut ten = vec![throughput(0.85, 0.0258)];
        ten.extend((0..9).map(|_| throughput(1.0, 0.1)));
        decide_together(&mut ten, 0.05);
        assert_eq!(ten[0].check.state, GateState::Undecided);
        // 0.0025 on each side and 0.2 for the power: t(4) = 5.598 + 0.941 gives 0.138
        // with 3 repeats, t(6) = 4.317 + 0.906 times 0.0258 * sqrt(2 / 4) gives 0.0953
        // with 4
        assert_eq!(ten[0].check.blocks_to_decide, Some(4));
    }
}
