//! Whether a measured load keeps the promise that a search is for: types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of a promise did not hold at a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", content = "values", rename_all = "kebab-case")]
pub enum Broken {
    /// A percentile is above its limit.
    Latency {
        /// Name of the metric, as in `cells.json`.
        metric: String,
        /// The percentile: 50, 90, 95 or 99.
        percentile: u32,
        /// Its value, ms; null if there is none.
        value_ms: Option<f64>,
        /// Its limit, ms.
        limit_ms: f64,
    },
    /// More requests failed than may.
    Failed {
        /// Share that failed.
        share: f64,
        /// Share that may.
        limit: f64,
    },
    /// Requests were completed more slowly than they came.
    FallsBehind {
        /// Planned requests per second.
        offered_per_s: f64,
        /// Completed requests per second.
        completed_per_s: f64,
    },
    /// The time to the first token rose through the window: more was waiting at its end.
    QueueGrows {
        /// Change over the window, as a share of the median.
        change: f64,
    },
}

/// Whether a promise held at a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromiseKept {
    /// It held.
    pub holds: bool,
    /// What did not.
    pub broken: Vec<Broken>,
}
