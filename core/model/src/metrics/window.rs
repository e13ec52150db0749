//! The measured window of a cell, read off its records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::record::{Phase, RequestRecord, Timing};
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
    /// The window of one cell, from all its records: see [`WindowFold`].
    #[must_use]
    pub fn of(records: &[RequestRecord]) -> Option<Self> {
        let mut fold = WindowFold::default();
        records.iter().for_each(|record| fold.add(&record.timing()));
        fold.window()
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

/// The window of a cell, found request by request.
///
/// It starts when the first measured request was sent, which is when warm-up
/// ended. In a closed loop it ends when requests in flight first fall below the
/// level: at the first end of a request that no further send followed. In an
/// open loop it ends with the last planned send, or, where all were sent at
/// once, with the last end.
#[derive(Debug, Clone, Default)]
pub struct WindowFold {
    level: Option<Level>,
    start_ns: Option<u64>,
    last_send_ns: Option<u64>,
    last_planned_ns: Option<u64>,
    last_end_ns: Option<u64>,
    /// Ends that may still turn out to be after the last send.
    ends_ns: Vec<u64>,
}

impl WindowFold {
    /// Takes a request of the cell, of any phase and in any order.
    pub fn add(&mut self, timing: &Timing) {
        self.last_send_ns = self.last_send_ns.max(timing.sent_ns);
        self.add_end(timing.end_ns);
        if timing.phase != Phase::Measured {
            return;
        }
        self.level = Some(timing.level);
        let start_ns = match timing.level {
            Level::Concurrency(_) => timing.sent_ns,
            Level::RequestRate(_) => timing.scheduled_ns.or(timing.sent_ns),
        };
        self.start_ns = self.start_ns.into_iter().chain(start_ns).min();
        self.last_planned_ns = self.last_planned_ns.max(timing.scheduled_ns);
        self.last_end_ns = self.last_end_ns.max(Some(timing.end_ns));
    }

    fn add_end(&mut self, end_ns: u64) {
        if Some(end_ns) <= self.last_send_ns {
            return;
        }
        if self.ends_ns.len() == self.ends_ns.capacity() {
            let last_send_ns = self.last_send_ns;
            self.ends_ns.retain(|end_ns| Some(*end_ns) > last_send_ns);
        }
        self.ends_ns.push(end_ns);
    }

    /// The window; `None` if nothing was measured, or it has no length.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        let start_ns = self.start_ns?;
        let end_ns = match self.level? {
            Level::Concurrency(_) => {
                let last_send_ns = self.last_send_ns?;
                let ends = self.ends_ns.iter().copied();
                ends.filter(|end_ns| *end_ns > last_send_ns).min()?
            }
            Level::RequestRate(_) => {
                let planned_ns = self.last_planned_ns?;
                if planned_ns > start_ns {
                    planned_ns
                } else {
                    self.last_end_ns?
                }
            }
        };
        (end_ns > start_ns).then_some(Window { start_ns, end_ns })
    }
}
