//! The sends of one cell of an open loop: those of its schedule, up to the cell's end.

use super::schedule::Schedule;
use crate::config::{Level, LoadConfig};
use crate::text::units::DurationText;

/// One planned send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSend {
    /// After the start, ns.
    pub offset_ns: u64,
    /// It comes before what is measured.
    pub is_warmup: bool,
}

/// The planned sends of a cell, in order.
#[derive(Debug, Clone)]
pub struct PlannedSends {
    schedule: Schedule,
    index: u64,
    warmup: u64,
    wanted: Option<u64>,
    duration_ns: Option<u64>,
    ends_ns: Option<u64>,
}

impl PlannedSends {
    /// Those of a cell at this level, which has this load and this schedule.
    #[must_use]
    pub fn new(load: &LoadConfig, level: Level, schedule: Schedule) -> Self {
        let warmup = load.warmup_requests;
        let measured = load.requests_at(level);
        Self {
            schedule,
            index: 0,
            warmup,
            wanted: measured.map(|measured| measured.saturating_add(warmup)),
            duration_ns: load.duration.map(DurationText::as_ns),
            ends_ns: None,
        }
    }
}

impl Iterator for PlannedSends {
    type Item = PlannedSend;

    fn next(&mut self) -> Option<PlannedSend> {
        if self.wanted.is_some_and(|wanted| self.index >= wanted) {
            return None;
        }
        let offset_ns = self.schedule.next()?;
        let is_warmup = self.index < self.warmup;
        self.index += 1;
        if !is_warmup && self.ends_ns.is_none() {
            let ends = |duration_ns| offset_ns.saturating_add(duration_ns);
            self.ends_ns = self.duration_ns.map(ends);
        }
        let is_over = self.ends_ns.is_some_and(|end| offset_ns >= end);
        (!is_over).then_some(PlannedSend {
            offset_ns,
            is_warmup,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends of a rate of ten a second, 100 ms apart.
    fn sends(extra: &str) -> Vec<PlannedSend> {
        let json = format!(r#"{{"request_rate": [10], "arrivals": "constant"{extra}}}"#);
        let load: LoadConfig = serde_json::from_str(&json).unwrap();
        let level = load.levels()[0];
        let Level::RequestRate(rate) = level else {
            panic!("{level} is no rate");
        };
        let schedule = Schedule::new(&load, rate, 1).unwrap();
        PlannedSends::new(&load, level, schedule).take(50).collect()
    }

    #[test]
    fn a_duration_counts_from_the_first_measured_send() {
        let all = sends(r#", "warmup_requests": 2, "duration": "1s""#);
        assert_eq!(all.iter().filter(|send| send.is_warmup).count(), 2);
        // From 0.3 s to before 1.3 s.
        assert_eq!(all.len(), 2 + 10);
    }

    #[test]
    fn whichever_of_number_and_duration_comes_first_ends_it() {
        assert_eq!(sends(r#", "requests": 3, "duration": "1s""#).len(), 3);
        assert_eq!(sends(r#", "requests": 30, "duration": "1s""#).len(), 10);
        assert_eq!(sends(r#", "requests": 30"#).len(), 30);
    }
}
