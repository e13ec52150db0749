//! The figures of one backend at one level, over all repeats: types only.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::row::CellRow;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::warning::WarningCode;

/// One backend at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Label of the backend.
    pub backend: String,
    /// Place of its run from 0, where several runs are set side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Level of the load.
    pub level: Level,
    /// Repeats that were measured, ascending, from 0.
    pub blocks: Vec<u32>,
    /// Measured requests by outcome, over all repeats.
    pub counts: Counts,
    /// Why there are no figures; absent if there are some.
    pub absence: Option<Absence>,
    /// In some repeat the client was the limit: not to be trusted.
    pub client_was_limit: bool,
    /// Codes of what makes it untrustworthy in some repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaches: Vec<WarningCode>,
    /// Output events that came at one moment, on average: above 1 where they share
    /// reads; absent if that is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_arrival: Option<f64>,
    /// Offered and completed rate; absent for a closed loop, an infinite rate,
    /// or too few requests.
    pub pace: Option<Pace>,
    /// What rose or fell over the measured window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsteady: Vec<Unsteady>,
    /// What looks as if it rose or fell, and may be chance as strongly as the requests
    /// depend on each other: a longer measurement would tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maybe_unsteady: Vec<Unsteady>,
    /// Every metric by its name, in the order of `Report::metrics`.
    pub figures: IndexMap<String, Figure>,
}

impl Row {
    /// The typical value of a metric: median of the pooled requests, or mean
    /// of a rate over repeats.
    #[must_use]
    pub fn typical(&self, metric: &str) -> Option<f64> {
        self.figures.get(metric)?.typical
    }

    /// Whether a cell is one of those that the row is made of.
    #[must_use]
    pub fn is_made_of(&self, cell: &CellRow) -> bool {
        self.backend == cell.backend && self.level == cell.level
    }

    /// Whether output was made that was not seen.
    #[must_use]
    pub fn has_unseen_output(&self) -> bool {
        self.breaches.contains(&WarningCode::OutputNotSeen)
    }

    /// Whether at least one measured request succeeded.
    #[must_use]
    pub fn has_success(&self) -> bool {
        self.counts.ok > 0
    }

    /// Share of the measured requests that failed, 0 to 1; 0 if there was none.
    #[must_use]
    pub fn failed_share(&self) -> f64 {
        let all = self.counts.ok + self.counts.failed;
        if all == 0 {
            0.0
        } else {
            self.counts.failed as f64 / all as f64
        }
    }
}

/// One metric of one backend at one level. Unit and direction are those of the
/// metric. Percentiles are taken over the requests of all repeats together,
/// never averaged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What a person compares: p50 of the pooled values, or the mean of a rate
    /// over repeats.
    pub typical: Option<f64>,
    /// Arithmetic mean of the pooled values, or of a rate over repeats.
    pub mean: Option<f64>,
    /// Median; absent for a rate.
    pub p50: Option<Percentile>,
    /// 90th percentile; absent for a rate.
    pub p90: Option<Percentile>,
    /// 95th percentile; absent for a rate.
    pub p95: Option<Percentile>,
    /// 99th percentile; absent for a rate.
    pub p99: Option<Percentile>,
    /// Number of values: pooled ones, or repeats of a rate.
    pub n: usize,
    /// Typical value of each repeat: its own p50, or its rate.
    pub per_block: Vec<BlockValue>,
    /// Some of its values are estimates: see `decode_ms_per_token`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Smallest typical value of a repeat.
    pub block_min: Option<f64>,
    /// Largest typical value of a repeat.
    pub block_max: Option<f64>,
    /// Typical value divided by that of the best backend at this level; absent
    /// if the metric does not rank or no other backend has a value.
    pub ratio_to_best: Option<f64>,
    /// Whether this is the best typical value of several at this level.
    pub best: bool,
    /// This figure over that of every other backend at this level, if the metric
    /// ranks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Against>,
}

/// A percentile, or the number of values and requests that it would have needed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// The value; null if the sample is too small to carry it.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval, by how much it scatters over the repeats;
    /// absent below two repeats, or if one of them has fewer than four values beyond it:
    /// 400 in all for p99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Its upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Values in the sample.
    pub n: usize,
    /// Values that the percentile needs.
    pub needed: usize,
    /// Requests that the values are of, which must be as many as the values that it
    /// needs: values of one request are alike. Absent where a request has one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// The typical value of one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockValue {
    /// The repeat, from 0.
    pub block: u32,
    /// Its value; null if it has none.
    pub value: Option<f64>,
}

/// Offered and completed rate of one backend at one level of an open loop,
/// over all repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pace {
    /// Rate of the planned sends, requests/s; a random schedule is not exactly
    /// at the rate that was asked for.
    pub offered_per_s: f64,
    /// `request_throughput`, requests/s; null if it could not be had.
    pub completed_per_s: Option<f64>,
    /// False if both that rate and the rate at which requests ended, those after
    /// the last send included, are below 95 % of the offered one. The first alone is low in
    /// a short window without warm-up too.
    pub keeps_up: bool,
}

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Output tokens over time.
    OutputTokens,
    /// Time to first token.
    TtftMs,
    /// Time per output token.
    TpotMs,
}

/// A series of one backend at one level that rose or fell over the measured
/// window in most of its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unsteady {
    /// Which series.
    pub series: Series,
    /// Change over the window as a share of the median: the middle one of the
    /// repeats that changed.
    pub change: f64,
    /// Repeats in which it changed that way.
    pub repeats: usize,
    /// Repeats in which it is known.
    pub of: usize,
}

/// A backend's figure over that of another backend, the baseline, in the same
/// metric at the same level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Against {
    /// Label of the baseline.
    pub baseline: String,
    /// Ratio of geometric means over the repeats that both have; below two such
    /// repeats, or where a value is 0, ratio of the typical values.
    pub ratio: f64,
    /// Lower end of its 95 % interval, paired by repeat if both are of one run;
    /// absent below two repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Figure {
    /// This figure compared with that of `baseline`; `None` if one of them has no
    /// value, or if the metric does not rank.
    #[must_use]
    pub fn against(&self, baseline: &str) -> Option<&Against> {
        self.against
            .iter()
            .find(|against| against.baseline == baseline)
    }
}

/// Why a backend has no figures at a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Absence {
    /// Why.
    pub code: AbsenceCode,
    /// More of it, as the config, the server or the client put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The same in words.
    pub text: String,
}

/// Reasons for which there are no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AbsenceCode {
    /// The config leaves it out.
    Skipped,
    /// It is not a level of the backend's run.
    NoLevel,
    /// No request succeeded.
    NoSuccess,
    /// The backend could not be started, or did not last.
    BackendFailed,
    /// The run ended before.
    RunEnded,
}

impl Absence {
    pub(crate) fn new(code: AbsenceCode, why: Option<String>) -> Self {
        Self {
            code,
            why,
            text: String::new(),
        }
    }
}
