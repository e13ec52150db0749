//! Every backend against the same backend of the baseline run.
use super::MeasuredRun;
use super::combine::Combined;
use crate::config::Level;
use crate::metrics::{self, DEPENDS_ON_EVENTS, Metric};
use crate::report::data::Report;
use crate::report::fairness;
use crate::report::figures::row::Row;
use crate::report::provenance::backend::BackendReport;
use crate::report::runs_data::{Change, ChangeOutcome};
use crate::report::verdict::family::{Verdict, judge_pairs};
use crate::report::verdict::pairwise::{Pair, Shown};
use crate::report::verdict::{chunking, ranking_metric};

/// Metrics that are compared with the baseline, in order.
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

/// Which backend is compared with which.
pub(super) struct Baseline {
    /// Labels of a backend and of its baseline, in the order of the report.
    pairs: Vec<(String, String)>,
}

/// Both rows of a pair at a level.
pub(super) struct PairAtLevel<'r> {
    pub(super) level: Level,
    pub(super) row: &'r Row,
    pub(super) baseline: &'r Row,
    /// The two did not do the same work.
    work_differs: bool,
    /// Their events carry different numbers of tokens.
    events_differ: bool,
    /// In some repeat the measurement of either is untrustworthy.
    pub(super) in_doubt: bool,
}

impl<'r> PairAtLevel<'r> {
    /// The pair in one metric.
    pub(super) fn in_metric(&self, metric: &'r Metric) -> Pair<'r> {
        Pair {
            metric,
            first: self.row,
            second: self.baseline,
            work_differs: self.work_differs,
            events_differ: self.events_differ && DEPENDS_ON_EVENTS.contains(&metric.name),
            output_not_seen: self.row.has_unseen_output() || self.baseline.has_unseen_output(),
            client_was_limit: self.row.client_was_limit || self.baseline.client_was_limit,
        }
    }
}

impl Baseline {
    /// `place`: that of the baseline among the runs. Backends are matched by
    /// their own label; where both runs have only one, that one is meant.
    pub(super) fn new(runs: &[MeasuredRun<'_>], combined: &Combined<'_>, place: usize) -> Self {
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

    /// Labels of each backend and of its baseline.
    pub(super) fn labels(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Every pair at every level that both runs have.
    pub(super) fn pairs_at_levels<'r>(
        &self,
        report: &'r Report,
        combined: &Combined<'_>,
    ) -> Vec<PairAtLevel<'r>> {
        let mut found = Vec::new();
        let skipped = &combined.manifest.plan.skipped;
        for (label, baseline) in &self.pairs {
            let of_pair = |backend: &&BackendReport| [label, baseline].contains(&&backend.label);
            let both: Vec<BackendReport> =
                report.backends.iter().filter(of_pair).cloned().collect();
            let fairness = fairness::build(&both, &combined.cells);
            let work_differs = fairness.unequal_work().next().is_some();
            for level in &report.levels {
                let is_left_out = skipped.iter().any(|skipped| {
                    skipped.level == *level && [label, baseline].contains(&&skipped.backend)
                });
                let rows = (report.row(label, level), report.row(baseline, level));
                if let ((Some(row), Some(baseline)), false) = (rows, is_left_out) {
                    let both = [row.clone(), baseline.clone()];
                    found.push(PairAtLevel {
                        level: *level,
                        row,
                        baseline,
                        work_differs,
                        events_differ: !chunking::mixed_levels(&both, &[*level]).is_empty(),
                        in_doubt: in_doubt(report, row) || in_doubt(report, baseline),
                    });
                }
            }
        }
        found
    }
}

/// Whether a measurement that a row is made of is untrustworthy.
fn in_doubt(report: &Report, row: &Row) -> bool {
    let mut own = report.self_check.iter();
    own.any(|found| !found.trustworthy && found.backend == row.backend && found.level == row.level)
}

/// What became of the metrics that a reader asks for first.
pub(super) fn changes(levels: &[Level], pairs: &[PairAtLevel<'_>]) -> Vec<Change> {
    let names: &[&str] = if ranking_metric::is_open(levels) {
        &OPEN_METRICS
    } else {
        &METRICS
    };
    let metrics = names.iter().filter_map(|name| metrics::named(name));
    metrics
        .flat_map(|metric| changes_in(metric, pairs))
        .collect()
}

/// The changes of one metric, which hold together (Holm).
fn changes_in(metric: &Metric, pairs: &[PairAtLevel<'_>]) -> Vec<Change> {
    let has_value = |pair: &&PairAtLevel<'_>| {
        let value = pair.row.typical(metric.name);
        value.or(pair.baseline.typical(metric.name)).is_some()
    };
    let pairs: Vec<&PairAtLevel<'_>> = pairs.iter().filter(has_value).collect();
    let family = pairs.iter().map(|pair| pair.in_metric(metric));
    let each = pairs.iter().zip(judge_pairs(family));
    let change = |(pair, verdict): (&&PairAtLevel<'_>, Verdict)| Change {
        metric: metric.name.to_owned(),
        level: pair.level,
        backend: pair.row.backend.clone(),
        baseline: pair.baseline.backend.clone(),
        value: pair.row.typical(metric.name),
        baseline_value: pair.baseline.typical(metric.name),
        interval: verdict.interval,
        outcome: match verdict.shown {
            Shown::FirstBetter => ChangeOutcome::Better,
            Shown::SecondBetter => ChangeOutcome::Worse,
            Shown::Equivalent => ChangeOutcome::Equivalent,
            Shown::Inconclusive => ChangeOutcome::Inconclusive,
            Shown::Nothing => ChangeOutcome::NoVerdict,
        },
        reason: verdict.reason,
        blocks_to_decide: verdict.repeats_to_decide,
        in_doubt: pair.in_doubt,
    };
    each.map(change).collect()
}
