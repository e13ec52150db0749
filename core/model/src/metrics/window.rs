//! The measured window of a cell, read off its records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::record::{Phase, RequestRecord};
use crate::units::s_between;

/// The part of a cell in which the load was steady, monotonic nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Start, included.
    pub start_ns: u64,
    /// End, included; always after the start.
    pub end_ns: u64,
}

impl Window {
    /// The window of one cell. It starts when the first measured request was
    /// sent, which is when warm-up ended. In a closed loop it ends when
    /// requests in flight first fall below the level: at the first end of a
    /// request that no further send followed. In an open loop it ends with the
    /// last planned send, or, where all were sent at once, with the last end.
    /// `None` if nothing was measured, or the window has no length.
    #[must_use]
    pub fn of(records: &[RequestRecord]) -> Option<Self> {
        let measured = || records.iter().filter(|r| r.key.phase == Phase::Measured);
        let start_ns = measured().filter_map(start_of).min()?;
        let end_ns = match measured().next()?.key.level {
            Level::Concurrency(_) => {
                let last_send = records.iter().filter_map(|r| r.sent_ns).max()?;
                let ends = records.iter().map(|record| record.end_ns);
                ends.filter(|end| *end > last_send).min()?
            }
            Level::RequestRate(_) => {
                let last_planned = measured().filter_map(|r| r.scheduled_ns).max()?;
                if last_planned > start_ns {
                    last_planned
                } else {
                    measured().map(|record| record.end_ns).max()?
                }
            }
        };
        (end_ns > start_ns).then_some(Self { start_ns, end_ns })
    }

    /// Length in seconds, above 0.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        s_between(self.start_ns, self.end_ns)
    }

    /// Whether a time lies in the window.
    #[must_use]
    pub fn contains(&self, t_ns: u64) -> bool {
        (self.start_ns..=self.end_ns).contains(&t_ns)
    }

    /// Seconds of `from_ns..to_ns` that lie in the window.
    #[must_use]
    pub fn overlap_s(&self, from_ns: u64, to_ns: u64) -> f64 {
        let from = from_ns.max(self.start_ns);
        let to = to_ns.min(self.end_ns);
        if to > from { s_between(from, to) } else { 0.0 }
    }

    /// Output tokens of one request that arrived in the window; `None` if the
    /// server did not count them. Tokens that no event carried arrive with the
    /// last event, or at the end if there is none.
    #[must_use]
    pub fn tokens_of(&self, record: &RequestRecord) -> Option<f64> {
        let all = f64::from(record.output_tokens?);
        let times = record.event_times_ns();
        let Some(last) = times.last() else {
            return Some(if self.contains(record.end_ns) {
                all
            } else {
                0.0
            });
        };
        let in_window = match &record.tokens_per_event {
            Some(counts) => {
                let pairs = times.iter().zip(counts);
                let inside = pairs.filter(|(t, _)| self.contains(**t));
                let carried: f64 = counts.iter().map(|n| f64::from(*n)).sum();
                let rest = if self.contains(*last) {
                    all - carried
                } else {
                    0.0
                };
                inside.map(|(_, n)| f64::from(*n)).sum::<f64>() + rest
            }
            None => {
                let inside = times.iter().filter(|t| self.contains(**t)).count();
                all * inside as f64 / times.len() as f64
            }
        };
        Some(in_window)
    }
}

fn start_of(record: &RequestRecord) -> Option<u64> {
    match record.key.level {
        Level::Concurrency(_) => record.sent_ns,
        Level::RequestRate(_) => record.scheduled_ns.or(record.sent_ns),
    }
}
