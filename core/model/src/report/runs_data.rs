//! What a report of several runs says about them: types only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::verdict::compare::Reason;
use super::verdict::drift::Drift;
use crate::config::Level;
use crate::facts::manifest::ExitState;
use crate::stats::inference::Interval;

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
    /// Label of its baseline.
    pub baseline: String,
    /// Its typical value.
    pub value: Option<f64>,
    /// Typical value of its baseline.
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

/// One thing that is not the same in all runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunDifference {
    /// What it belongs to.
    pub about: DifferenceAbout,
    /// What it is: a key of the config, or a fact in words.
    pub what: String,
    /// What it is in each run, in their order; null where a run does not say.
    pub values: Vec<Option<String>>,
}

/// What a difference belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceAbout {
    /// The config as resolved.
    Config,
    /// Versions of InferBench, plugins and servers.
    Version,
    /// The machine.
    Hardware,
}

/// Name of the largest load that a backend bears, among those of the metrics that a gate
/// may check.
pub const CAPACITY: &str = "capacity";

/// What must not become worse.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRule {
    /// By how much it may, as a share, 0 to below 1.
    pub limit: f64,
    /// Names of the metrics, each of which ranks, or [`CAPACITY`]; empty for the one that
    /// decides who serves best, TTFT and TPOT, and of searches for the capacity.
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

impl Gate {
    /// Whether every check holds, regressed or was lost.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        let mut checks = self.checks.iter();
        checks.all(|check| check.state != GateState::Undecided)
    }
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
    /// Label of its baseline.
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
    /// Why there is no verdict, where scatter is not the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// It was shown to be worse than the baseline, by however little.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shown_worse: bool,
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
    /// Shown to be worse by more than the limit, beside all other checks.
    Regressed,
    /// The baseline has figures; this one gave no result, or too many of its
    /// requests failed.
    Lost,
    /// A change beyond the limit can neither be shown nor excluded.
    Undecided,
    /// Not worse by more than the limit: the whole interval lies within.
    Held,
}

/// What a report of several runs says about them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunsCompared {
    /// The runs, in the order in which they were named.
    pub runs: Vec<ComparedRun>,
    /// Label of the baseline run.
    pub baseline: String,
    /// What is not the same in all runs, most important first.
    pub differences: Vec<RunDifference>,
    /// Why the runs should not be compared, where that was forced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// Every backend against the same backend of the baseline.
    pub changes: Vec<Change>,
    /// Levels that not every run has, which no verdict over all runs takes in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels_of_some: Vec<Level>,
    /// Currencies of the runs' prices where they are several, so that what the runs cost
    /// is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_currencies: Vec<String>,
    /// What must not become worse, and whether it did; absent if nothing was
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The drift of each run that has enough repeats for one, by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifts: Vec<(String, Drift)>,
}

/// One of several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// What it is called beside the others.
    pub label: String,
    /// Its name in its config.
    pub name: String,
    /// Its start in UTC, RFC 3339.
    pub start_utc: Option<String>,
    /// Version of InferBench that made it.
    pub inferbench_version: String,
    /// Its machine in one line.
    pub machine: String,
    /// Repeats that its config asks for.
    pub blocks: u32,
    /// How it ended.
    pub exit_state: ExitState,
}

/// Runs that cannot be compared.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RunsError {
    /// One run, or none.
    #[error("{0} run given, a comparison needs 2 or more")]
    TooFew(usize),
    #[error("{0}: nothing was measured in this run, so there is nothing to compare")]
    NothingMeasured(String),
    /// The same run twice.
    #[error("{a} and {b} are the same run, started at {start}")]
    Same {
        /// Label of one.
        a: String,
        /// Label of the other.
        b: String,
        start: String,
    },
    /// Another model or workload, or a run that is a part of one, or was changed.
    #[error("the runs do not compare: {}", .0.join("; "))]
    OtherWork(Vec<String>),
}
