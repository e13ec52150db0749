//! What must not become worse than in the baseline, and whether it did.
//!
//! A level fails if its figure is worse by more than the limit and if the
//! difference is significant: all levels, backends and metrics together (Holm),
//! none that is not there is found in more than a twentieth of all comparisons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, Place, no_verdict};
use super::combine::Combined;
use crate::config::Level;
use crate::metrics::{self, Better, Metric};
use crate::report::verdict::compare::{FAILED_LIMIT, Reason};
use crate::report::verdict::pairing::Held;
use crate::report::verdict::ranking_metric::Yardstick;
use crate::report::{DigestOf, Report};
use crate::stats::inference::{CONFIDENCE, Interval, holm, holm_next};

/// What must not become worse.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRule {
    /// By how much it may, as a share, 0 to below 1.
    pub limit: f64,
    /// Names of the metrics, each of which ranks; empty for the one that decides
    /// who serves best.
    pub metrics: Vec<String>,
}

/// Whether anything became worse than it may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// By how much a figure may be worse, as a share.
    pub limit: f64,
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// Nothing regressed or was lost, and something was compared in each metric.
    pub met: bool,
    /// Metrics of which no level could be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nothing_of: Vec<String>,
    /// One entry per metric, backend and level.
    pub checks: Vec<GateCheck>,
}

/// A backend against its baseline in one metric at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateCheck {
    /// Name of the metric.
    pub metric: String,
    /// Level of the load.
    pub level: Level,
    /// Label of the backend.
    pub backend: String,
    /// Label of the one that it is held against.
    pub baseline: String,
    /// By how much it is worse, as a share of the baseline's figure; negative if
    /// it is better.
    pub worse_by: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// What follows.
    pub state: GateState,
    /// Why nothing can be said, where that is no matter of scatter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Repeats of each run with which it would likely be decided, beside the
    /// checks that are open now; absent if it is, or beyond a thousand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks_to_decide: Option<u32>,
    /// In some repeat the measurement of either is untrustworthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
}

/// What a check shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// Worse by more than the limit, and significantly so.
    Regressed,
    /// The baseline has figures; this one gave no result, or too many of its
    /// requests failed.
    Lost,
    /// A change beyond the limit can neither be shown nor excluded.
    Undecided,
    /// Not worse by more than the limit: the whole interval lies within.
    Held,
}

impl Baseline {
    /// Holds every pair against the rule.
    pub(super) fn gate(
        &self,
        rule: &GateRule,
        report: &Report,
        combined: &Combined<'_>,
        digest_of: &DigestOf<'_>,
    ) -> Gate {
        let names = match rule.metrics.as_slice() {
            [] => vec![Yardstick::of(report).metric().to_owned()],
            own => own.to_vec(),
        };
        let places = self.places(report, combined, digest_of);
        let metrics = || names.iter().filter_map(|name| metrics::named(name));
        let mut tests: Vec<Test> = metrics()
            .flat_map(|metric| places.iter().filter_map(|place| Test::of(metric, place)))
            .collect();
        decide(&mut tests, rule.limit);
        let checks: Vec<GateCheck> = tests.into_iter().map(|test| test.check).collect();
        let has_check = |name: &&String| checks.iter().any(|check| check.metric == **name);
        let nothing_of = names.iter().filter(|name| !has_check(name)).cloned();
        let nothing_of: Vec<String> = nothing_of.collect();
        let fails =
            |check: &GateCheck| matches!(check.state, GateState::Regressed | GateState::Lost);
        Gate {
            limit: rule.limit,
            met: nothing_of.is_empty() && !checks.iter().any(fails),
            metrics: names,
            nothing_of,
            checks,
        }
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
    fn of(metric: &Metric, place: &Place<'_>) -> Option<Self> {
        let (row, baseline) = (place.row, place.baseline);
        let was = baseline
            .typical(metric.name)
            .filter(|_| baseline.has_success())?;
        let value = row.typical(metric.name).filter(|_| row.has_success());
        let interval = Held::of(row, baseline, metric.name).interval();
        let failing = row.failed_share() > FAILED_LIMIT && baseline.failed_share() <= FAILED_LIMIT;
        let reason = no_verdict(metric, place, interval.as_ref());
        let state = match value {
            None => GateState::Lost,
            Some(_) if failing => GateState::Lost,
            Some(_) => GateState::Undecided,
        };
        let worse = |ratio: f64| worse_by(ratio, metric.better);
        let ratio = interval.map(|interval| interval.ratio);
        let ratio = ratio.or_else(|| value.map(|value| value / was));
        let ends = interval.map(|interval| (worse(interval.low), worse(interval.high)));
        let check = GateCheck {
            metric: metric.name.to_owned(),
            level: place.level,
            backend: row.backend.clone(),
            baseline: baseline.backend.clone(),
            worse_by: ratio.filter(|ratio| ratio.is_finite()).map(worse),
            low: ends.map(|(a, b)| a.min(b)),
            high: ends.map(|(a, b)| a.max(b)),
            state,
            reason: reason.filter(|_| value.is_some()),
            blocks_to_decide: None,
            in_doubt: place.in_doubt,
        };
        let better = metric.better;
        let interval = interval.filter(|_| reason.is_none() && state == GateState::Undecided);
        Some(Self {
            check,
            better,
            interval,
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

fn decide(tests: &mut [Test], limit: f64) {
    let tested = || tests.iter().filter_map(|test| test.interval);
    let p_values: Vec<f64> = tested().map(|interval| interval.p_beyond(0.0)).collect();
    let alpha = (1.0 - CONFIDENCE) / 2.0;
    let holds = holm(&p_values, alpha);
    let next = holm_next(&holds, alpha);
    let mut holds = holds.into_iter();
    for test in tests {
        let Some(interval) = test.interval else {
            continue;
        };
        let is_significant = holds.next().unwrap_or(false);
        let may = match test.better {
            Better::Higher => -(1.0 - limit).ln(),
            _ => (1.0 + limit).ln(),
        };
        let worse = match test.better {
            Better::Higher => -interval.ratio.ln(),
            _ => interval.ratio.ln(),
        };
        let check = &mut test.check;
        if worse > may && is_significant {
            check.state = GateState::Regressed;
        } else if worse <= may && check.high.is_some_and(|high| high <= limit) {
            check.state = GateState::Held;
        } else if worse > may {
            check.blocks_to_decide = interval.blocks_to_clear_at(worse, next);
        } else {
            check.blocks_to_decide = interval.blocks_to_clear(may - worse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        decide(&mut tests, 0.05);
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
    fn one_of_ten_checks_faces_a_tenth_of_the_chance_and_is_told_so() {
        // a mean of ln 0.9 = -0.1054 over an error of 0.0258 * sqrt(2 / 3) = 0.0211
        // is t(4) = 5.00, p = 0.0037: below 0.025, above 0.025 / 10
        let mut alone = vec![throughput(0.9, 0.0258)];
        decide(&mut alone, 0.05);
        assert_eq!(alone[0].check.state, GateState::Regressed);
        let mut ten = vec![throughput(0.9, 0.0258)];
        ten.extend((0..9).map(|_| throughput(1.0, 0.1)));
        decide(&mut ten, 0.05);
        assert_eq!(ten[0].check.state, GateState::Undecided);
        // 0.0025 on each side: t(4) = 5.598 gives 0.118 with 3 repeats, t(6) =
        // 4.317 times 0.0258 * sqrt(2 / 4) gives 0.0788 with 4
        assert_eq!(ten[0].check.blocks_to_decide, Some(4));
    }
}
