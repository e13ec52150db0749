//! Every backend against the same backend of the run that all are held against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MeasuredRun;
use super::combine::Combined;
use crate::config::Level;
use crate::metrics::{self, Better, Metric};
use crate::report::figures::steady_state;
use crate::report::verdict::compare::{self, FAILED_LIMIT, MARGIN, Reason, margin};
use crate::report::verdict::pairing::Held;
use crate::report::verdict::{chunking, ranking_metric};
use crate::report::{BackendReport, DigestOf, Report, Row, fairness};
use crate::stats::inference::{CONFIDENCE, Interval, holm, holm_next};

/// Metrics that are held against the baseline, in order.
const METRICS: [&str; 6] = [
    "output_token_throughput",
    "ttft_ms",
    "tpot_ms",
    "e2e_latency_ms",
    "goodput",
    "gpu_energy_joules_per_output_token",
];
/// The same for an open loop, whose throughput follows the offered rate.
const OPEN_METRICS: [&str; 5] = [
    "goodput",
    "e2e_from_schedule_ms",
    "ttft_ms",
    "tpot_ms",
    "gpu_energy_joules_per_output_token",
];

/// A backend against the same backend of the baseline, in one metric at one
/// level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Name of the metric.
    pub metric: String,
    /// Level of the load.
    pub level: Level,
    /// Label of the backend.
    pub backend: String,
    /// Label of the one that it is held against.
    pub baseline: String,
    /// Its typical value.
    pub value: Option<f64>,
    /// Typical value of the one that it is held against.
    pub baseline_value: Option<f64>,
    /// Backend over baseline, of two groups of repeats that are not paired;
    /// absent if one has fewer than two repeats with a value.
    pub interval: Option<Interval>,
    /// What follows.
    pub outcome: ChangeOutcome,
    /// Why nothing follows, or less than the interval alone would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Repeats of each run with which it would likely be decided, beside what is
    /// open now in its metric; absent if it is, or beyond a thousand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks_to_decide: Option<u32>,
    /// In some repeat the measurement of either is untrustworthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
}

/// What became of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// The whole interval clears the margin on the good side.
    Better,
    /// The whole interval clears the margin on the bad side.
    Worse,
    /// The whole interval lies inside the margin.
    Equivalent,
    /// The interval reaches over the margin.
    Inconclusive,
    /// There are figures, and no verdict.
    NoVerdict,
}

/// Which backend is held against which.
pub(super) struct Baseline {
    /// Labels of a backend and of its baseline, in the order of the report.
    pairs: Vec<(String, String)>,
}

/// Both rows of a pair at a level.
pub(super) struct Place<'r> {
    pub(super) level: Level,
    pub(super) row: &'r Row,
    pub(super) baseline: &'r Row,
    /// The two did not do the same work.
    work_differs: bool,
    /// In some repeat the measurement of either is untrustworthy.
    pub(super) in_doubt: bool,
}

impl Baseline {
    /// `place`: that of the baseline among the runs. Backends are matched by
    /// their own label; where both runs have only one, that one is meant.
    pub(super) fn new(runs: &[MeasuredRun], combined: &Combined<'_>, place: usize) -> Self {
        let of_run = |run: usize| {
            let backends = runs[run].config.backends.iter();
            let own = backends.map(|backend| backend.label());
            let own: Vec<(&str, &String)> = own.zip(&combined.labels[run]).collect();
            own
        };
        let was = of_run(place);
        let mut pairs = Vec::new();
        for run in (0..runs.len()).filter(|run| *run != place) {
            let is = of_run(run);
            let alone = was.len() == 1 && is.len() == 1;
            for (own, label) in is {
                let matches = |(other, _): &&(&str, &String)| alone || *other == own;
                if let Some((_, baseline)) = was.iter().find(matches) {
                    pairs.push((label.clone(), (*baseline).clone()));
                }
            }
        }
        Self { pairs }
    }

    /// Every pair at every level that both runs have.
    pub(super) fn places<'r>(
        &self,
        report: &'r Report,
        combined: &Combined<'_>,
        digest_of: &DigestOf<'_>,
    ) -> Vec<Place<'r>> {
        let mut places = Vec::new();
        let skipped = &combined.manifest.plan.skipped;
        for (label, baseline) in &self.pairs {
            let of_pair = |backend: &&BackendReport| [label, baseline].contains(&&backend.label);
            let both: Vec<BackendReport> =
                report.backends.iter().filter(of_pair).cloned().collect();
            let fairness = fairness::build(&both, &combined.cells, digest_of);
            let work_differs = fairness.unequal_work().next().is_some();
            for level in &report.levels {
                let is_left_out = skipped.iter().any(|skipped| {
                    skipped.level == *level && [label, baseline].contains(&&skipped.backend)
                });
                let rows = (report.row(label, level), report.row(baseline, level));
                if let ((Some(row), Some(baseline)), false) = (rows, is_left_out) {
                    places.push(Place {
                        level: *level,
                        row,
                        baseline,
                        work_differs,
                        in_doubt: in_doubt(report, row) || in_doubt(report, baseline),
                    });
                }
            }
        }
        places
    }

    /// The metrics that a reader asks for first.
    pub(super) fn changes(
        &self,
        report: &Report,
        combined: &Combined<'_>,
        digest_of: &DigestOf<'_>,
    ) -> Vec<Change> {
        let places = self.places(report, combined, digest_of);
        let names: &[&str] = if ranking_metric::is_open(&report.levels) {
            &OPEN_METRICS
        } else {
            &METRICS
        };
        let metrics = names.iter().filter_map(|name| metrics::named(name));
        metrics
            .flat_map(|metric| of_metric(metric, &places))
            .collect()
    }
}

/// Whether a measurement that a row is made of is untrustworthy.
fn in_doubt(report: &Report, row: &Row) -> bool {
    let mut own = report.self_check.iter();
    own.any(|found| !found.trustworthy && found.backend == row.backend && found.level == row.level)
}

/// The changes of one metric, which hold together (Holm).
fn of_metric(metric: &Metric, places: &[Place<'_>]) -> Vec<Change> {
    let found = places.iter().filter_map(|place| change(metric, place));
    let mut found: Vec<Change> = found.collect();
    let is_tested = |change: &&mut Change| change.reason.is_none();
    let mut tested: Vec<&mut Change> = found.iter_mut().filter(is_tested).collect();
    let intervals: Vec<Interval> = tested.iter().filter_map(|c| c.interval).collect();
    let p_values: Vec<f64> = intervals.iter().map(|i| i.p_beyond(margin())).collect();
    let alpha = (1.0 - CONFIDENCE) / 2.0;
    let holds = holm(&p_values, alpha);
    let next = holm_next(&holds, alpha);
    for ((change, interval), holds) in tested.iter_mut().zip(&intervals).zip(holds) {
        let alone = outcome(interval, metric.better);
        let is_clear = matches!(alone, ChangeOutcome::Better | ChangeOutcome::Worse);
        change.outcome = alone;
        if is_clear && !holds {
            change.outcome = ChangeOutcome::Inconclusive;
            change.reason = Some(Reason::SeveralLevels);
        } else if alone == ChangeOutcome::Inconclusive {
            let beyond = interval.ratio.ln().abs() - margin();
            let tail = if beyond > 0.0 { next } else { alpha };
            change.blocks_to_decide = interval.blocks_to_clear_at(beyond.abs(), tail);
        }
    }
    found
}

/// `None` if neither has a value.
fn change(metric: &Metric, place: &Place<'_>) -> Option<Change> {
    let (row, baseline) = (place.row, place.baseline);
    let (value, was) = (row.typical(metric.name), baseline.typical(metric.name));
    value.or(was)?;
    let interval = Held::of(row, baseline, metric.name).interval();
    Some(Change {
        metric: metric.name.to_owned(),
        level: place.level,
        backend: row.backend.clone(),
        baseline: baseline.backend.clone(),
        value,
        baseline_value: was,
        interval,
        outcome: ChangeOutcome::NoVerdict,
        reason: no_verdict(metric, place, interval.as_ref()),
        blocks_to_decide: None,
        in_doubt: place.in_doubt,
    })
}

/// Why nothing can be said of a metric of a backend against its baseline.
pub(super) fn no_verdict(
    metric: &Metric,
    place: &Place<'_>,
    interval: Option<&Interval>,
) -> Option<Reason> {
    let (row, baseline) = (place.row, place.baseline);
    if row.typical(metric.name).is_none() || baseline.typical(metric.name).is_none() {
        return Some(Reason::OneBackend);
    }
    let rows = [row.clone(), baseline.clone()];
    let mixed = || !chunking::mixed_levels(&rows, &[place.level]).is_empty();
    if place.work_differs {
        Some(Reason::WorkDiffers)
    } else if metric.name == chunking::BETWEEN_EVENTS && mixed() {
        Some(Reason::EventsDiffer)
    } else if row.client_was_limit || baseline.client_was_limit {
        Some(Reason::ClientWasLimit)
    } else if row.failed_share() > FAILED_LIMIT || baseline.failed_share() > FAILED_LIMIT {
        Some(Reason::TooManyFailed)
    } else if Held::of(row, baseline, metric.name).is_too_few() {
        Some(Reason::OneRepeat)
    } else {
        let Some(interval) = interval else {
            return Some(Reason::AllZero);
        };
        let is_better = (interval.ratio > 1.0) == (metric.better == Better::Higher);
        let (ahead, behind) = match is_better {
            true => (row, baseline),
            false => (baseline, row),
        };
        steady_state::undermines(ahead, behind, metric.name).then_some(Reason::NotSteady)
    }
}

/// What an interval of backend to baseline shows.
fn outcome(interval: &Interval, better: Better) -> ChangeOutcome {
    let (above, below) = (1.0 + MARGIN, 1.0 / (1.0 + MARGIN));
    let more = interval.low > above;
    let less = interval.high < below;
    match better {
        Better::Higher if more => ChangeOutcome::Better,
        Better::Higher if less => ChangeOutcome::Worse,
        Better::Lower if less => ChangeOutcome::Better,
        Better::Lower if more => ChangeOutcome::Worse,
        _ => match compare::outcome(interval, Better::Neither) {
            compare::Outcome::Equivalent => ChangeOutcome::Equivalent,
            _ => ChangeOutcome::Inconclusive,
        },
    }
}
