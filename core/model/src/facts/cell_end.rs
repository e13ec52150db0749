//! Whether a cell came to the end of its own plan. The one rule for it: the run, its
//! resumption, the audit and the report all ask here.

use std::fmt;

use super::failure_reason::FailureReason;
use super::key::CellKey;
use super::record::{Phase, RequestRecord};
use crate::config::{Config, Level, LoadConfig};
use crate::plan::schedule::Schedule;
use crate::plan::seed;
use crate::plan::sends::PlannedSends;
use crate::plan::shard::Shard;
use crate::plan::trace_times::TraceTimes;
use crate::text::number::counted;
use crate::text::units::{DurationText, s_between};

/// A closed loop's first send may come later than its time began by so much of its
/// duration: one part in this many.
const SENT_LATE: u64 = 20;
/// Planned sends of an open loop that are counted at most, unless more are recorded.
const LOOKED_AT: u64 = 10_000_000;

/// What a cell was to do.
#[derive(Debug, Clone, Copy)]
pub struct CellPlan<'a> {
    /// The load of the config.
    pub load: &'a LoadConfig,
    /// Its level.
    pub level: Level,
    /// Seed of its send times.
    pub arrivals_seed: u64,
    /// Times of the workload's rows, where they are replayed and at hand.
    pub trace: Option<&'a TraceTimes>,
    /// The part of it that was to be done.
    pub shard: Shard,
}

impl<'a> CellPlan<'a> {
    /// What this cell was to do by the config, with the `load` of its block; `None` at a
    /// level that it does not have.
    #[must_use]
    pub fn from_config(
        config: &Config,
        load: &'a LoadConfig,
        cell: &CellKey,
        trace: Option<&'a TraceTimes>,
    ) -> Option<Self> {
        let place = config.load.level_index(cell.level)?;
        Some(Self {
            load,
            level: cell.level,
            arrivals_seed: seed::arrivals(config.seed, cell.block, place),
            trace,
            shard: Shard::WHOLE,
        })
    }
}

/// What is recorded of a cell, request by request.
#[derive(Debug, Clone, Default)]
pub struct CellRecorded {
    warmup: u64,
    measured: u64,
    interrupted: u64,
    /// When the first measured request was sent.
    first_ns: Option<u64>,
}

impl CellRecorded {
    /// Takes in a record of the cell.
    pub fn add(&mut self, record: &RequestRecord) {
        let interrupted = FailureReason::Interrupted.word();
        let is_interrupted = record.reason.as_deref() == Some(&*interrupted);
        self.note(record.phase, record.sent_ns, is_interrupted);
    }

    /// Takes in a request; `sent_ns` is absent if it was not sent.
    pub fn note(&mut self, phase: Phase, sent_ns: Option<u64>, is_interrupted: bool) {
        self.interrupted += u64::from(is_interrupted);
        match phase {
            Phase::Warmup => self.warmup += 1,
            Phase::Measured => {
                self.measured += 1;
                self.first_ns = self.first_ns.into_iter().chain(sent_ns).min();
            }
        }
    }

    /// What keeps the cell from the end of its plan; `None` if it came there. `end_ns`:
    /// its last moment.
    #[must_use]
    pub fn shortfall(&self, plan: CellPlan<'_>, end_ns: u64) -> Option<Shortfall> {
        if self.interrupted > 0 {
            let requests = self.interrupted;
            return Some(Shortfall::Interrupted { requests });
        }
        let (load, shard) = (plan.load, plan.shard);
        let warmups = shard.warmups(load.warmup_requests);
        if self.warmup < warmups {
            return Some(Shortfall::Warmup {
                requests: self.warmup,
                asked: warmups,
            });
        }
        let asked = load.requests_at(plan.level);
        let asked = asked.map(|asked| shard.measured(load.warmup_requests, asked));
        let is_above = asked.is_some_and(|asked| self.measured > asked);
        match (load.duration, plan.level) {
            (Some(duration), Level::Concurrency(_)) if !is_above => {
                self.too_short(asked, duration, end_ns)
            }
            (Some(_), _) if !is_above => self.sent_otherwise(plan),
            _ => self.other_number(asked),
        }
    }

    fn other_number(&self, asked: Option<u64>) -> Option<Shortfall> {
        let asked = asked.filter(|asked| *asked != self.measured)?;
        Some(Shortfall::Measured {
            requests: self.measured,
            asked,
        })
    }

    /// A closed loop goes on for its duration, unless its requests were all sent before.
    fn too_short(
        &self,
        asked: Option<u64>,
        duration: DurationText,
        end_ns: u64,
    ) -> Option<Shortfall> {
        if asked == Some(self.measured) {
            return None;
        }
        let lasted_ns = end_ns.saturating_sub(self.first_ns.unwrap_or(end_ns));
        let asked_ns = duration.as_ns();
        (lasted_ns < asked_ns - asked_ns / SENT_LATE).then(|| Shortfall::Duration {
            lasted_s: s_between(0, lasted_ns),
            asked_s: s_between(0, asked_ns),
        })
    }

    /// An open loop's schedule says how many sends there are in its duration.
    fn sent_otherwise(&self, plan: CellPlan<'_>) -> Option<Shortfall> {
        let CellPlan { load, level, .. } = plan;
        let schedule = Schedule::at_level(load, level, plan.arrivals_seed, plan.trace);
        let schedule = schedule.ok().flatten()?;
        let sends = plan.shard.own(PlannedSends::new(load, level, schedule));
        let there = self.warmup.saturating_add(self.measured).saturating_add(1);
        let looked_at = usize::try_from(there.max(LOOKED_AT)).unwrap_or(usize::MAX);
        let sends = sends.take(looked_at);
        self.other_number(Some(sends.filter(|send| !send.is_warmup).count() as u64))
    }
}

/// What keeps a cell from the end of its plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shortfall {
    /// Requests were cut off.
    Interrupted { requests: u64 },
    /// It has another number of warm-up requests than was asked for.
    Warmup { requests: u64, asked: u64 },
    /// It has another number of measured requests than was asked for, or than its
    /// schedule has.
    Measured { requests: u64, asked: u64 },
    /// It was over too soon.
    Duration { lasted_s: f64, asked_s: f64 },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted { requests } => {
                write!(f, "{} cut off", counted(*requests, "request"))
            }
            Self::Warmup { requests, asked } => {
                write!(
                    f,
                    "it has {requests} warm-up requests, the config asks for {asked}"
                )
            }
            Self::Measured { requests, asked } => {
                write!(
                    f,
                    "it has {requests} measured requests, the config asks for {asked}"
                )
            }
            Self::Duration { lasted_s, asked_s } => {
                write!(
                    f,
                    "it lasted {lasted_s:.1} s, the config asks for {asked_s:.1} s"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn load(json: &str) -> LoadConfig {
        serde_json::from_str(json).unwrap()
    }

    /// So many requests of each phase, one every second.
    fn recorded(warmup: u64, measured: u64) -> CellRecorded {
        let mut recorded = CellRecorded::default();
        for at in 0..warmup + measured {
            let phase = if at < warmup {
                Phase::Warmup
            } else {
                Phase::Measured
            };
            recorded.note(phase, Some(at * S), false);
        }
        recorded
    }

    fn shortfall(load: &LoadConfig, recorded: &CellRecorded, end_ns: u64) -> Option<Shortfall> {
        let plan = CellPlan {
            load,
            level: load.levels()[0],
            arrivals_seed: 1,
            trace: None,
            shard: Shard::WHOLE,
        };
        recorded.shortfall(plan, end_ns)
    }

    #[test]
    fn a_number_of_requests_must_be_met() {
        let load = load(r#"{"concurrency": [1], "requests": 40, "warmup_requests": 2}"#);
        assert_eq!(shortfall(&load, &recorded(2, 40), 42 * S), None);
        // A last warm-up request of another slot may still be under way.
        assert_eq!(shortfall(&load, &recorded(3, 40), 43 * S), None);
        let (requests, asked) = (10, 40);
        let short = Some(Shortfall::Measured { requests, asked });
        assert_eq!(shortfall(&load, &recorded(2, 10), 12 * S), short);
        let (requests, asked) = (1, 2);
        let short = Some(Shortfall::Warmup { requests, asked });
        assert_eq!(shortfall(&load, &recorded(1, 40), 41 * S), short);
    }

    #[test]
    fn one_request_that_was_cut_off_is_enough() {
        let load = load(r#"{"concurrency": [1], "requests": 3}"#);
        let mut cut = recorded(0, 2);
        cut.note(Phase::Measured, Some(2 * S), true);
        let short = Some(Shortfall::Interrupted { requests: 1 });
        assert_eq!(shortfall(&load, &cut, 3 * S), short);
    }

    #[test]
    fn a_closed_loop_lasts_its_duration_or_sends_all() {
        let load = load(r#"{"concurrency": [1], "requests": 20, "duration": "10s"}"#);
        assert_eq!(shortfall(&load, &recorded(0, 8), 10 * S), None);
        let short = Shortfall::Duration {
            lasted_s: 9.0,
            asked_s: 10.0,
        };
        assert_eq!(shortfall(&load, &recorded(0, 8), 9 * S), Some(short));
        assert_eq!(shortfall(&load, &recorded(0, 20), 9 * S), None);
    }

    #[test]
    fn an_open_loop_sends_what_its_schedule_has_in_the_duration() {
        let load = load(
            r#"{"request_rate": [1], "arrivals": "constant", "duration": "10s", "warmup_requests": 1}"#,
        );
        assert_eq!(shortfall(&load, &recorded(1, 10), 11 * S), None);
        let (requests, asked) = (5, 10);
        let short = Some(Shortfall::Measured { requests, asked });
        assert_eq!(shortfall(&load, &recorded(1, 5), 6 * S), short);
        let (requests, asked) = (11, 10);
        let short = Some(Shortfall::Measured { requests, asked });
        assert_eq!(shortfall(&load, &recorded(1, 11), 12 * S), short);
    }
}
