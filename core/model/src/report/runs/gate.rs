//! What must not become worse than in the baseline, and whether it did.
//!
//! A level fails if its figure is worse by more than the limit and if the
//! difference is significant: all levels, backends and metrics together (Holm),
//! a regression that is not there is found in at most a twentieth of comparisons.

use super::baseline::PairAtLevel;
use crate::metrics::{self, Better, Metric};
use crate::report::data::Report;
use crate::report::runs_data::{Gate, GateCheck, GateRule, GateState};
use crate::report::verdict::compare::FAILED_LIMIT;
use crate::report::verdict::family::Together;
use crate::report::verdict::ranking_metric::RankingMetric;
use crate::stats::inference::Interval;

/// Checks every pair against the rule.
pub(super) fn decide(rule: &GateRule, report: &Report, pairs: &[PairAtLevel<'_>]) -> Gate {
    let names = match rule.metrics.as_slice() {
        [] => vec![
            RankingMetric::choose(&report.levels, &report.comparisons)
                .metric()
                .to_owned(),
        ],
        own => own.to_vec(),
    };
    let metrics = || names.iter().filter_map(|name| metrics::named(name));
    let mut tests: Vec<Test> = metrics()
        .flat_map(|metric| pairs.iter().filter_map(|pair| Test::new(metric, pair)))
        .collect();
    decide_together(&mut tests, rule.limit);
    let checks: Vec<GateCheck> = tests.into_iter().map(|test| test.check).collect();
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
    let intervals: Vec<Interval> = tests.iter().filter_map(|test| test.interval).collect();
    let p_of_any = |i: &Interval| i.p_above(0.0).min(i.p_below(0.0));
    let p_values: Vec<f64> = intervals.iter().map(p_of_any).collect();
    let together = Together::of_p_values(&p_values);
    let mut holds = together.holds.iter();
    for test in tests {
        let Some(interval) = test.interval else {
            continue;
        };
        let is_significant = holds.next().copied().unwrap_or(false);
        let (may, worse) = match test.better {
            Better::Higher => (-(1.0 - limit).ln(), -interval.ratio.ln()),
            _ => ((1.0 + limit).ln(), interval.ratio.ln()),
        };
        let check = &mut test.check;
        if worse > may && is_significant {
            check.state = GateState::Regressed;
        } else if worse <= may && check.high.is_some_and(|high| high <= limit) {
            check.state = GateState::Held;
        } else {
            let beyond = if worse > may { worse } else { worse - may };
            check.blocks_to_decide = match beyond > 0.0 {
                true => interval.blocks_to_clear_at(beyond, together.next_tail),
                false => interval.blocks_to_clear(-beyond),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::stats::inference::unpaired_ratio;

    /// Throughput of two runs of three repeats: 100 and `level` of it, both
    /// scattering by `scatter` on the log scale.
    fn throughput(level: f64, scatter: f64) -> Test {
        let of = |mean: f64| [-scatter, 0.0, scatter].map(|off| mean * off.exp());
        let interval = unpaired_ratio(&of(100.0 * level), &of(100.0)).unwrap();
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
    fn wide_scatter_shows_and_excludes_nothing() {
        // half the interval is 2.776 * 0.1 * sqrt(2 / 3): 0.227 on the log scale
        for level in [0.90, 0.96, 1.05] {
            assert_eq!(
                state(throughput(level, 0.1)),
                GateState::Undecided,
                "{level}"
            );
        }
    }

    #[test]
    fn one_of_ten_checks_faces_a_tenth_of_the_chance_and_the_hint_says_so() {
        // a mean of ln 0.9 = -0.1054 over an error of 0.0258 * sqrt(2 / 3) = 0.0211
        // is t(4) = 5.00, p = 0.0037: below 0.025, above 0.025 / 10
        let mut alone = vec![throughput(0.9, 0.0258)];
        decide_together(&mut alone, 0.05);
        assert_eq!(alone[0].check.state, GateState::Regressed);
        let mut ten = vec![throughput(0.9, 0.0258)];
        ten.extend((0..9).map(|_| throughput(1.0, 0.1)));
        decide_together(&mut ten, 0.05);
        assert_eq!(ten[0].check.state, GateState::Undecided);
        // 0.0025 on each side: t(4) = 5.598 gives 0.118 with 3 repeats, t(6) =
        // 4.317 times 0.0258 * sqrt(2 / 4) gives 0.0788 with 4
        assert_eq!(ten[0].check.blocks_to_decide, Some(4));
    }
}
