//! The search for the largest load that a backend bears.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::share::Share;
use super::{Level, Rate};
use crate::text::units::DurationText;

/// Looks for the largest load at which a promise to users still holds: grows until it
/// breaks, then closes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// What grows.
    pub over: SearchOver,
    /// What must hold.
    pub slo: SearchSlo,
    /// Smallest load that is tried, and where the search begins.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub from: f64,
    /// Largest load that is tried.
    #[serde(default = "default_to", skip_serializing_if = "is_default_to")]
    pub to: f64,
    /// How close the load that breaks comes to the one that holds.
    #[serde(
        default = "default_tolerance",
        skip_serializing_if = "is_default_tolerance"
    )]
    pub tolerance: Share,
    /// Longest time that is measured of each backend, all repeats together; without it the
    /// search ends when it has closed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<DurationText>,
}

/// Which load a search grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchOver {
    /// Requests in flight.
    Concurrency,
    /// Requests per second.
    RequestRate,
}

/// A promise to users: limits of percentiles, and how many requests may fail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSlo {
    /// Time to first token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<PercentileLimits>,
    /// Time per output token, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<PercentileLimits>,
    /// Gaps between output events, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itl_ms: Option<PercentileLimits>,
    /// End-to-end latency, ms; from the planned time in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_latency_ms: Option<PercentileLimits>,
    /// Share of the requests that may fail.
    pub failed: Share,
}

/// Highest values of percentiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PercentileLimits {
    /// Of the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// Of the 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// Of the 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// Of the 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

impl PercentileLimits {
    /// Each percentile that has a limit, with the limit.
    pub fn each(&self) -> impl Iterator<Item = (u32, f64)> {
        let all = [
            (50, self.p50),
            (90, self.p90),
            (95, self.p95),
            (99, self.p99),
        ];
        all.into_iter().filter_map(|(p, limit)| Some((p, limit?)))
    }
}

impl SearchSlo {
    /// Each metric that has limits, by its name in the config.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, PercentileLimits)> {
        let all = [
            ("ttft_ms", self.ttft_ms),
            ("tpot_ms", self.tpot_ms),
            ("itl_ms", self.itl_ms),
            ("e2e_latency_ms", self.e2e_latency_ms),
        ];
        all.into_iter()
            .filter_map(|(metric, limits)| Some((metric, limits?)))
    }
}

impl SearchConfig {
    /// The level with this load.
    #[must_use]
    pub fn level(&self, load: f64) -> Level {
        match self.over {
            SearchOver::Concurrency => Level::Concurrency(load as u32),
            SearchOver::RequestRate => Level::RequestRate(Rate(load)),
        }
    }

    /// Loads that a first search likely measures: it doubles through half of its range and
    /// halves what is left.
    #[must_use]
    pub fn likely_trials(&self) -> u64 {
        let doublings = (self.to / self.from).log2() / 2.0;
        let closings = (1.0 / (1.0 + self.tolerance.0).log2()).log2();
        (doublings.max(1.0) + closings.max(1.0)).ceil() as u64 + 1
    }

    /// The load of a level; `None` if the search grows another kind.
    #[must_use]
    pub fn load(&self, level: Level) -> Option<f64> {
        match (self.over, level) {
            (SearchOver::Concurrency, Level::Concurrency(slots)) => Some(f64::from(slots)),
            (SearchOver::RequestRate, Level::RequestRate(rate)) => Some(rate.0),
            _ => None,
        }
    }
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_one(load: &f64) -> bool {
    *load == 1.0
}

const DEFAULT_TO: f64 = 1024.0;

fn default_to() -> f64 {
    DEFAULT_TO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_default_to(load: &f64) -> bool {
    *load == DEFAULT_TO
}

fn default_tolerance() -> Share {
    Share(0.05)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_default_tolerance(share: &Share) -> bool {
    *share == default_tolerance()
}
