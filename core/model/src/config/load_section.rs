//! The section `load`: how the requests are offered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Level, LoadThreads, Rate, Requests};
use crate::text::units::DurationText;

/// How the load is offered. Either `concurrency` (closed loop) or
/// `request_rate` (open loop) is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Closed loop: requests in flight, one level each.
    #[serde(default)]
    pub concurrency: Option<Vec<u32>>,
    /// Open loop: requests per second, one level each; `inf` sends all at once.
    #[serde(default)]
    pub request_rate: Option<Vec<Rate>>,
    /// Open loop: distribution of the gaps between sends.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Gamma arrivals: shape of the gaps; below 1 burstier than poisson, above 1 steadier.
    #[serde(default)]
    pub burstiness: Option<f64>,
    /// Measured requests per cell, a number or `{per_slot, min}`; with `duration` too,
    /// whichever is reached first.
    #[serde(default)]
    pub requests: Option<Requests>,
    /// Length of the measured part of a cell.
    #[serde(default)]
    pub duration: Option<DurationText>,
    /// Requests per cell that warm the backend up and are not measured.
    #[serde(default)]
    pub warmup_requests: u64,
    /// Longest time for one whole request.
    #[serde(default = "default_timeout")]
    pub timeout: DurationText,
    /// Longest silence inside an answer, and before its first byte.
    #[serde(default)]
    pub idle_timeout: Option<DurationText>,
    /// Threads that make the load: `auto`, as many as the level calls for but one less
    /// than there are cores, or a number.
    #[serde(default)]
    pub threads: LoadThreads,
    /// Pause between two backends, after the first has freed its memory and
    /// before the next is started.
    #[serde(default)]
    pub cooldown: Option<DurationText>,
}

impl LoadConfig {
    /// The levels in the order of the config; empty if neither `concurrency`
    /// nor `request_rate` is set (which `check` refuses).
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        let closed = self.concurrency.iter().flatten();
        let open = self.request_rate.iter().flatten();
        closed
            .map(|n| Level::Concurrency(*n))
            .chain(open.map(|rate| Level::RequestRate(*rate)))
            .collect()
    }

    /// Measured requests of a cell at this level; `None` if only time ends it.
    #[must_use]
    pub fn requests_at(&self, level: Level) -> Option<u64> {
        self.requests.map(|requests| requests.at(level))
    }
}

/// Distribution of the gaps between sends of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Exponential gaps.
    #[default]
    Poisson,
    /// Equal gaps.
    Constant,
    /// Gamma gaps, shaped by `burstiness`.
    Gamma,
}

fn default_timeout() -> DurationText {
    DurationText::from_secs(10 * 60)
}
