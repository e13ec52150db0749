//! The section `load`: how the requests are offered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::{SearchConfig, SearchOver};
use super::{Level, LoadShape, LoadThreads, Rate, Requests, Speed, speed};
use crate::text::units::DurationText;

/// How the load is offered. One of `concurrency` (closed loop), `request_rate` (open
/// loop), `speed` (open loop, replay of a trace) and `search` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Closed loop: requests in flight, one level each.
    #[serde(default)]
    pub concurrency: Option<Vec<u32>>,
    /// Open loop: requests per second, one level each; `inf` sends all at once.
    #[serde(default)]
    pub request_rate: Option<Vec<Rate>>,
    /// Arrivals as in a trace: how many times faster than it was recorded, a number or a
    /// list, one level each.
    #[serde(
        default,
        deserialize_with = "speed::one_or_more",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "speed::schema")]
    pub speed: Option<Vec<Speed>>,
    /// The largest load that a backend bears: levels follow from what was measured
    /// before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchConfig>,
    /// Open loop: distribution of the gaps between sends, or the times of a trace.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Gamma arrivals: shape of the gaps; below 1 burstier than poisson, above 1 steadier.
    #[serde(default)]
    pub burstiness: Option<f64>,
    /// Open loop: how the rate goes over time, in factors of the level's rate, from the
    /// first measured request on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<LoadShape>,
    /// Open loop: most requests in flight; a send that is due waits for a free place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<u32>,
    /// Closed loop: time over which the slots begin one after the other; the measured
    /// part begins with the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up: Option<DurationText>,
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
    /// The levels in the order of the config; empty for a search, whose levels follow
    /// from what was measured.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        let closed = self.concurrency.iter().flatten();
        let open = self.request_rate.iter().flatten();
        let replayed = self.speed.iter().flatten();
        closed
            .map(|n| Level::Concurrency(*n))
            .chain(open.map(|rate| Level::RequestRate(*rate)))
            .chain(replayed.map(|speed| Level::TraceSpeed(*speed)))
            .collect()
    }

    /// The number by which prompts and arrivals of a level are drawn: its place in the
    /// config, or for a search one that follows from the load itself. `None` if the
    /// config does not have the level.
    #[must_use]
    pub fn level_index(&self, level: Level) -> Option<usize> {
        match &self.search {
            None => self.levels().iter().position(|own| *own == level),
            Some(search) => search.load(level).map(|load| match search.over {
                SearchOver::Concurrency => load as usize,
                // Rates have three digits.
                SearchOver::RequestRate => (load * 1e6) as usize,
            }),
        }
    }

    /// Lists the levels that a search has measured, in ascending order. Without a search
    /// the levels stay those of the config.
    pub fn set_measured(&mut self, levels: impl IntoIterator<Item = Level>) {
        let Some(search) = &self.search else {
            return;
        };
        let loads = levels.into_iter().filter_map(|level| search.load(level));
        let mut loads: Vec<f64> = loads.collect();
        loads.sort_by(f64::total_cmp);
        loads.dedup();
        match search.over {
            SearchOver::Concurrency => {
                self.concurrency = Some(loads.into_iter().map(|load| load as u32).collect());
            }
            SearchOver::RequestRate => {
                self.request_rate = Some(loads.into_iter().map(Rate).collect());
            }
        }
    }

    /// Most requests in flight that a closed loop may have.
    #[must_use]
    pub fn most_in_flight(&self) -> Option<u32> {
        let listed = self.concurrency.iter().flatten().copied().max();
        let searched = self.search.as_ref().filter(|_| self.is_closed());
        listed.max(searched.map(|search| search.to as u32))
    }

    /// Whether it is a closed loop: so many requests in flight.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let search = self.search.as_ref();
        self.concurrency.is_some() || search.is_some_and(|s| s.over == SearchOver::Concurrency)
    }

    /// The same load with a share of its requests and of its time, but never fewer
    /// requests than `least` and two for each slot, unless it has fewer itself.
    #[must_use]
    pub fn shortened(&self, share: f64, least: u64) -> Self {
        let part = |n: u64, least: u64| ((n as f64 * share).ceil() as u64).max(least.min(n));
        let slots = u64::from(self.most_in_flight().unwrap_or(0));
        let requests = self.requests.map(|requests| match requests {
            Requests::Fixed(n) => Requests::Fixed(part(n, least.max(2 * slots))),
            Requests::PerSlot { per_slot, min } => Requests::PerSlot {
                per_slot: part(per_slot, 2),
                min: part(min, least),
            },
        });
        Self {
            requests,
            duration: self.duration.map(|duration| duration.part(share)),
            ..self.clone()
        }
    }

    /// Requests are sent at the times of a trace's rows.
    #[must_use]
    pub fn replays_trace(&self) -> bool {
        self.arrivals == Arrivals::Trace
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
    /// The times of the rows that the prompts come from.
    Trace,
}

fn default_timeout() -> DurationText {
    DurationText::from_secs(10 * 60)
}
