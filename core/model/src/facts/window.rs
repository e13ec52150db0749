//! The measured window of a cell, read off its records.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::facts::record::{Phase, RequestRecord, Timing};
use crate::text::units::s_between;

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
    pub fn from_records(records: &[RequestRecord]) -> Option<Self> {
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
/// ended. In a closed loop it ends when requests in flight fall below the level
/// for good: at the first end after the last send that filled every slot, or at
/// the last of those that end together with it. Requests of one batch end in one
/// step of a server, and a window that ended between them would lose almost a
/// round of completed requests. In an open loop it ends with the last planned send, or, where all were sent at
/// once, with the last end.
#[derive(Debug, Clone, Default)]
pub struct WindowFold {
    level: Option<Level>,
    start_ns: Option<u64>,
    last_planned_ns: Option<u64>,
    last_end_ns: Option<u64>,
    /// Of requests that were sent, of any phase.
    sends_ns: Latest,
    ends_ns: Latest,
    /// Requests that were sent, and how long they took together.
    sent: u64,
    taken_ns: u128,
}

/// Requests end together if they do within one part in so many of the mean time
/// that a request takes.
const TOGETHER: u128 = 100;

impl WindowFold {
    /// Takes a request of the cell, of any phase and in any order.
    pub fn add(&mut self, timing: &Timing) {
        if let (Level::Concurrency(slots), Some(sent_ns)) = (timing.level, timing.sent_ns) {
            // Slots that end together are filled one after the other, so that the
            // last full moment may lie a whole round before the last send; until
            // then no more than two rounds end.
            let kept = 2 * slots as usize + 1;
            self.sends_ns.add(sent_ns, kept);
            self.ends_ns.add(timing.end_ns, kept);
            self.sent += 1;
            self.taken_ns += u128::from(timing.end_ns.saturating_sub(sent_ns));
        }
        if timing.phase != Phase::Measured {
            return;
        }
        self.level = Some(timing.level);
        let start_ns = match timing.level {
            Level::Concurrency(_) => timing.sent_ns,
            Level::RequestRate(_) | Level::TraceSpeed(_) => timing.scheduled_ns.or(timing.sent_ns),
        };
        self.start_ns = self.start_ns.into_iter().chain(start_ns).min();
        self.last_planned_ns = self.last_planned_ns.max(timing.scheduled_ns);
        self.last_end_ns = self.last_end_ns.max(Some(timing.end_ns));
    }

    /// Whether a measured request was taken.
    #[must_use]
    pub fn has_measured(&self) -> bool {
        self.level.is_some()
    }

    /// The window; `None` if nothing was measured, or it has no length.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        let start_ns = self.start_ns?;
        let end_ns = match self.level? {
            Level::Concurrency(slots) => self.load_falls(slots)?,
            Level::RequestRate(_) | Level::TraceSpeed(_) => {
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

    /// The first end after the last send that made as many requests be in flight
    /// as there are slots, or the last one together with it. Where there never were
    /// so many, the first end after the last send.
    fn load_falls(&self, slots: u32) -> Option<u64> {
        let (sends, ends) = (self.sends_ns.ascending(), self.ends_ns.ascending());
        let ends_after = |t_ns: u64| &ends[ends.partition_point(|end_ns| *end_ns <= t_ns)..];
        let in_flight_from = |at: usize| {
            let later_sends = sends.len() - 1 - at;
            ends_after(sends[at]).len().saturating_sub(later_sends)
        };
        let places = (0..sends.len()).rev().take(slots as usize);
        let full = places
            .into_iter()
            .find(|at| in_flight_from(*at) >= slots as usize);
        let last_full_ns = full.map_or(*sends.last()?, |at| sends[at]);
        let falling = ends_after(last_full_ns);
        let first_ns = *falling.first()?;
        let together_ns = self.taken_ns / u128::from(self.sent.max(1)) / TOGETHER;
        let together = falling
            .iter()
            .take_while(|end_ns| u128::from(**end_ns - first_ns) <= together_ns);
        together.last().copied()
    }
}

/// The latest of some times.
#[derive(Debug, Clone, Default)]
struct Latest(BinaryHeap<Reverse<u64>>);

impl Latest {
    fn add(&mut self, t_ns: u64, kept: usize) {
        self.0.push(Reverse(t_ns));
        if self.0.len() > kept {
            self.0.pop();
        }
    }

    fn ascending(&self) -> Vec<u64> {
        let mut times: Vec<u64> = self.0.iter().map(|time| time.0).collect();
        times.sort_unstable();
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(slots: u32, requests: &[(u64, u64)]) -> Option<(u64, u64)> {
        let mut fold = WindowFold::default();
        for (sent_ns, end_ns) in requests {
            fold.add(&Timing {
                level: Level::Concurrency(slots),
                phase: Phase::Measured,
                scheduled_ns: None,
                sent_ns: Some(*sent_ns),
                end_ns: *end_ns,
            });
        }
        fold.window().map(|window| (window.start_ns, window.end_ns))
    }

    #[test]
    fn a_last_round_that_does_not_fill_the_slots_is_falling_load() {
        // Four slots in step: two full rounds, and one of two requests.
        let round = |sent: u64, n: u64| (0..n).map(move |slot| (sent + slot, sent + 10));
        let requests: Vec<(u64, u64)> = round(0, 4)
            .chain(round(10, 4))
            .chain(round(20, 2))
            .collect();
        assert_eq!(window(4, &requests), Some((0, 20)));
    }

    #[test]
    fn a_batch_that_ends_within_a_hundredth_of_a_request_is_in_the_window() {
        // Four slots in step, each batch ending over 9 of 1000: a hundredth is 10.
        let round =
            |n: u64| (0..4).map(move |slot| (1000 * n + 3 * slot, 1000 * (n + 1) + 3 * slot));
        let requests: Vec<(u64, u64)> = round(0).chain(round(1)).collect();
        assert_eq!(window(4, &requests), Some((0, 2009)));
        // The last one is late by more than that.
        let mut late = requests;
        late[7].1 = 2011;
        assert_eq!(window(4, &late), Some((0, 2006)));
    }

    #[test]
    fn slots_that_end_one_by_one_are_full_until_the_first_end_without_a_send() {
        // Two slots half a request apart; each send follows an end at once.
        let requests = [(0, 10), (5, 15), (10, 20), (15, 25)];
        assert_eq!(window(2, &requests), Some((0, 20)));
    }

    #[test]
    fn fewer_requests_than_slots_fall_with_their_first_end() {
        assert_eq!(window(8, &[(0, 10), (1, 12)]), Some((0, 10)));
    }

    #[test]
    fn what_is_kept_gives_the_same_window_as_all_of_it() {
        // Three slots in step for ten rounds, then one request.
        let mut requests: Vec<(u64, u64)> = (0..30)
            .map(|i| (i / 3 * 10 + i % 3, i / 3 * 10 + 10))
            .collect();
        requests.push((101, 109));
        assert_eq!(window(3, &requests), Some((0, 100)));
    }
}
