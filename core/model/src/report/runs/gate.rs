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
use crate::inference::{CONFIDENCE, Interval, holm};
use crate::metrics::{self, Better, Metric};
use crate::report::compare::{FAILED_LIMIT, Reason};
use crate::report::held::Held;
use crate::report::yardstick::Yardstick;
use crate::report::{DigestOf, Report};

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
    /// Repeats of each run with which it would likely be decided; absent if it
    /// is, or beyond a thousand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks_to_decide: Option<u32>,
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
    let mut holds = holm(&p_values, (1.0 - CONFIDENCE) / 2.0).into_iter();
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
        } else {
            let distance = if worse > may { worse } else { may - worse };
            check.blocks_to_decide = interval.blocks_to_clear(distance);
        }
    }
}
