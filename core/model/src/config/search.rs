//! The search for the largest load that a backend bears.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::share::Share;
use super::{Level, Rate, SloConfig};
use crate::text::units::DurationText;

/// Finds levels by what was measured before them: the largest load at which a promise to
/// users still holds, or where the curve of throughput over load bends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// What grows.
    pub over: SearchOver,
    /// What is looked for.
    #[serde(default, skip_serializing_if = "Find::is_capacity")]
    pub find: Find,
    /// What must hold; not for a bend.
    #[serde(default, skip_serializing_if = "SearchSlo::is_empty")]
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

/// What a search looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// The largest load at which the promise holds: it grows until it breaks, then closes
    /// in.
    #[default]
    Capacity,
    /// Where throughput stops growing with the load: it grows until it is saturated, then
    /// looks closer where the curve bends.
    Bend,
}

impl Find {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    fn is_capacity(&self) -> bool {
        *self == Self::Capacity
    }
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

/// Requests that a percentile needs so that one lies beyond it.
const NEEDED: [(u32, u64); 4] = [(50, 2), (90, 10), (95, 20), (99, 100)];

impl SearchSlo {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Requests that a percentile needs so that one lies beyond it.
    #[must_use]
    pub fn needed_for(percentile: u32) -> u64 {
        let known = NEEDED.iter().find(|(own, _)| *own == percentile);
        known.map_or(0, |(_, needed)| *needed)
    }

    /// The limits of single requests that its percentiles are of: of each metric that of its
    /// highest percentile. What share of the requests keeps them is what is promised.
    #[must_use]
    pub fn per_request(&self) -> SloConfig {
        let highest = |limits: Option<PercentileLimits>| Some(limits?.each().last()?.1);
        SloConfig {
            ttft_ms: highest(self.ttft_ms),
            tpot_ms: highest(self.tpot_ms),
            e2e_latency_ms: highest(self.e2e_latency_ms),
        }
    }

    /// Fewest requests with which each of its percentiles can be had.
    #[must_use]
    pub fn fewest_requests(&self) -> u64 {
        let percentiles = self.each().flat_map(|(metric, limits)| {
            let own: Vec<u32> = limits.each().map(|(percentile, _)| percentile).collect();
            // One gap of an answer is one value; requests are counted where they are one
            // each.
            own.into_iter().filter(move |_| metric != "itl_ms")
        });
        percentiles.map(Self::needed_for).max().unwrap_or(0)
    }

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
    /// A load as it is offered: whole requests in flight, or three digits of a rate.
    #[must_use]
    pub fn rounded(&self, load: f64) -> f64 {
        match self.over {
            SearchOver::Concurrency => load.round().max(1.0),
            SearchOver::RequestRate => format!("{load:.2e}").parse().unwrap_or(load),
        }
    }

    /// The level with this load.
    #[must_use]
    pub fn level(&self, load: f64) -> Level {
        match self.over {
            SearchOver::Concurrency => Level::Concurrency(load as u32),
            SearchOver::RequestRate => Level::RequestRate(Rate(load)),
        }
    }

    /// It looks for the largest load that keeps a promise.
    #[must_use]
    pub fn finds_capacity(&self) -> bool {
        self.find == Find::Capacity
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
