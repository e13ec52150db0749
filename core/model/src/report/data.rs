//! `report.json` as types: what the page, the summaries and the terminal table
//! show, every number final. No logic but look-ups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fairness::Fairness;
use super::figures::capacity::Capacity;
use super::figures::classes::ClassRow;
use super::figures::columns::MetricColumn;
use super::figures::distribution::Distribution;
use super::figures::pareto::Trade;
use super::figures::replicas::ReplicaRow;
use super::figures::requests::RequestsOverTime;
use super::figures::row::Row;
use super::figures::streaming::{GapsByPosition, TokensPerEvent};
use super::figures::turns::TurnRow;
use super::kv::KvReport;
use super::provenance::backend::{BackendReport, RequestFailure};
use super::provenance::environment::SelfCheckRow;
use super::provenance::fact::Fact;
use super::provenance::reproduce::Reproduce;
use super::provenance::self_check::CheckSummary;
use super::runs_data::RunsCompared;
use super::verdict::compare::Comparison;
use super::verdict::drift::Drift;
use super::verdict::tuning::{PointEnd, Tuning};
use crate::config::{Level, SloConfig};
use crate::facts::changed_shard::ChangedShard;
use crate::facts::key::Counts;
use crate::facts::manifest::ExitState;
use crate::facts::shard::Partial;
use crate::facts::warning::Warning;
use crate::hardware::over_time::Timeline;

/// Version of `report.json`.
pub const REPORT_SCHEMA_VERSION: u32 = 3;

/// The file `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Version of InferBench that made the run.
    pub inferbench_version: String,
    /// Name of the run.
    pub name: String,
    /// Hub id or folder of the model.
    pub model: String,
    /// The machine in one line.
    pub machine: String,
    /// Start of the run in UTC, RFC 3339.
    pub start_utc: Option<String>,
    /// Whether any backend was simulated.
    pub simulated: bool,
    /// How the run ended.
    pub exit_state: ExitState,
    /// Some of the shards that it was to be merged from are missing; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
    /// Shards that it was merged from whose facts were changed after their run; absent if
    /// none were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedShard>,
    /// Repeats that the config asks for.
    pub blocks: u32,
    /// Measured requests of the whole run by outcome.
    pub counts: Counts,
    /// Limits for goodput.
    pub slo: SloConfig,
    /// The answer in plain words, most important first.
    pub answer: Vec<String>,
    /// The best backend in each of the metrics that a reader asks for first.
    pub tiles: Vec<Tile>,
    /// What was checked before the answer is trusted, and what was found; empty
    /// if nothing was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<TrustMark>,
    /// What a reader must know before trusting it, most severe first.
    pub warnings: Vec<Warning>,
    /// What differs between the runs and what changed, where several are set side
    /// by side; each backend is then one of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<RunsCompared>,
    /// Backends in the order of the config.
    pub backends: Vec<BackendReport>,
    /// Levels in the order of the config.
    pub levels: Vec<Level>,
    /// Metrics of which some backend has a value, in their order.
    pub metrics: Vec<MetricColumn>,
    /// One row per level and backend, levels first.
    pub rows: Vec<Row>,
    /// Throughput against speed per user; absent if no level has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade: Option<Trade>,
    /// Best against second, per metric that ranks and level.
    pub comparisons: Vec<Comparison>,
    /// The last repeat against the first; absent below three pairs of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How the values of the latencies are distributed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<Distribution>,
    /// Gaps between output events by their position in the answer, one entry
    /// per row of `rows` that has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps_by_position: Vec<GapsByPosition>,
    /// Tokens of the output events; empty if none is known to carry several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_per_event: Vec<TokensPerEvent>,
    /// The largest load that each backend bears; empty without a search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity: Vec<Capacity>,
    /// The best settings of each backend that was swept; empty without a tuning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuning: Vec<Tuning>,
    /// Classes of traffic; empty without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassRow>,
    /// Replicas of backends; empty if each is one server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaRow>,
    /// Conversations turn by turn; empty without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnRow>,
    /// Requests over time, one entry per row of `rows` and repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests_over_time: Vec<RequestsOverTime>,
    /// Whether the backends did the same work.
    pub fairness: Fairness,
    /// The KV caches: predicted, reported, measured; absent if nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvReport>,
    /// The self-check in plain words, each check once; absent in reports of older
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub self_check_summary: Vec<CheckSummary>,
    /// What the client itself did, one row per measured cell.
    pub self_check: Vec<SelfCheckRow>,
    /// Machine, versions, seeds, workload.
    pub environment: Vec<Fact>,
    /// How to make the same run again; absent in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduce: Option<Reproduce>,
    /// Failed measured requests by backend and reason, one example each.
    pub request_failures: Vec<RequestFailure>,
    /// Hardware and load over time; absent if nothing was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// The same of each run, where several are set side by side: runs of which
    /// nothing was sampled are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<RunTimeline>,
}

/// Hardware and load over time of one run of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunTimeline {
    /// Label of the run.
    pub run: String,
    /// Its own time axis, with the labels that its backends have here.
    #[serde(flatten)]
    pub timeline: Timeline,
}

/// One headline: the comparison at the level where the best value is reached, or for a
/// latency at the level that tells most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tile {
    /// Heading for a reader.
    pub label: String,
    /// Unit of the values.
    pub unit: String,
    /// The comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What all levels of the metric show, as one sentence; empty where there is
    /// nothing to compare with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// Reasons to doubt its verdict; empty if there are none.
    #[serde(default)]
    pub doubts: Vec<Doubt>,
}

/// A reason to doubt a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// What it is.
    #[serde(flatten)]
    pub kind: DoubtKind,
    /// The same in words.
    pub text: String,
}

/// Kinds of doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", content = "values", rename_all = "kebab-case")]
pub enum DoubtKind {
    /// A measurement behind it is not to be trusted.
    Untrustworthy,
    /// The backends did other work than each other.
    WorkDiffers {
        /// Headings of the conditions that differ.
        conditions: Vec<String>,
    },
    /// One of the two has too few successful requests.
    FewRequests {
        /// Requests of the one that has fewest.
        requests: u64,
    },
    /// One of the two is simulated.
    Simulated,
}

/// One check of the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustMark {
    /// What was checked.
    pub about: TrustAbout,
    /// There is no reason to doubt the figures.
    pub ok: bool,
    /// What was found, in words.
    pub text: String,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustAbout {
    /// Whether the client was the limit, or measured wrongly.
    Client,
    /// Whether all backends did the same work.
    Work,
    /// Repeats and requests.
    Sample,
    /// Requests that failed.
    Requests,
    /// Simulated or real.
    Origin,
}

impl Report {
    /// The row of a backend at a level.
    #[must_use]
    pub fn row(&self, backend: &str, level: &Level) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.backend == backend && row.level == *level)
    }

    /// The comparison in a metric at a level.
    #[must_use]
    pub fn comparison(&self, metric: &str, level: &Level) -> Option<&Comparison> {
        self.comparisons
            .iter()
            .find(|comparison| comparison.metric == metric && comparison.level == *level)
    }

    /// Points of a sweep that a tuning has left out after a look, or did not come to: that
    /// they have no figures is no failure.
    #[must_use]
    pub fn left_out(&self) -> Vec<&str> {
        let points = self.tuning.iter().flat_map(|tuning| &tuning.points);
        let out = points.filter(|point| point.end != PointEnd::Finalist);
        out.map(|point| point.backend.as_str()).collect()
    }

    /// Labels of the backends with at least one successful request.
    #[must_use]
    pub fn measured(&self) -> Vec<&str> {
        let labels = self.backends.iter().map(|backend| backend.label.as_str());
        labels
            .filter(|label| {
                self.rows
                    .iter()
                    .any(|row| row.backend == *label && row.has_success())
            })
            .collect()
    }
}

/// JSON Schema of `report.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
