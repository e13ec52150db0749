//! Which part of a cell the next request of a closed loop belongs to.

use inferbench_model::config::LoadConfig;
use inferbench_model::facts::record::Phase;
use inferbench_model::plan::shard::Shard;
use inferbench_model::text::units::DurationText;

/// The phases of a closed loop. Warm-up lasts until `warmup_requests` have
/// ended and, where slots begin one after the other, all of them have begun; then `requests` are measured, or as many as are sent within
/// `duration`.
#[derive(Debug)]
pub(super) struct Phases {
    warmup_left: u64,
    slots_to_begin: u32,
    measured_left: u64,
    duration_ns: Option<u64>,
    deadline_ns: Option<u64>,
    /// Requests that were given a phase.
    given: u64,
    shard: Shard,
}

impl Phases {
    /// `requests`: own ones to measure, if their number ends the cell. `slots`: own ones of
    /// the level.
    pub(super) fn new(load: &LoadConfig, shard: Shard, requests: Option<u64>, slots: u32) -> Self {
        Self {
            shard,
            slots_to_begin: load.ramp_up.map_or(0, |_| slots),
            warmup_left: shard.warmups(load.warmup_requests),
            measured_left: requests.unwrap_or(u64::MAX),
            duration_ns: load.duration.map(DurationText::as_ns),
            deadline_ns: None,
            given: 0,
        }
    }

    /// Index and phase of a request that is sent now; `None` when all have been sent.
    pub(super) fn next_indexed(&mut self, now_ns: u64) -> Option<(u64, Phase)> {
        let phase = self.next(now_ns)?;
        self.given += 1;
        Some((self.shard.request_index(self.given - 1), phase))
    }

    /// Phase of a request that is sent now; `None` when all have been sent.
    fn next(&mut self, now_ns: u64) -> Option<Phase> {
        if self.warmup_left > 0 || self.slots_to_begin > 0 {
            return Some(Phase::Warmup);
        }
        if self.deadline_ns.is_none() {
            self.deadline_ns = self.duration_ns.map(|duration| now_ns + duration);
        }
        let in_time = self.deadline_ns.is_none_or(|deadline| now_ns < deadline);
        if self.measured_left == 0 || !in_time {
            return None;
        }
        self.measured_left -= 1;
        Some(Phase::Measured)
    }

    /// A slot begins.
    pub(super) fn begins(&mut self) {
        self.slots_to_begin = self.slots_to_begin.saturating_sub(1);
    }

    /// A request of this phase has ended.
    pub(super) fn ended(&mut self, phase: Phase) {
        if phase == Phase::Warmup {
            self.warmup_left = self.warmup_left.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use inferbench_model::config::Level;

    use super::*;

    fn phases(json: &str) -> Phases {
        let load: LoadConfig = serde_json::from_str(json).unwrap();
        let requests = load.requests_at(Level::Concurrency(2));
        Phases::new(&load, Shard::WHOLE, requests, 2)
    }

    #[test]
    fn warm_up_is_handed_over_without_draining() {
        let mut phases = phases(r#"{"concurrency": [2], "requests": 2, "warmup_requests": 1}"#);
        assert_eq!(phases.next(0), Some(Phase::Warmup));
        assert_eq!(phases.next(0), Some(Phase::Warmup), "the second slot");
        phases.ended(Phase::Warmup);
        assert_eq!(phases.next(5), Some(Phase::Measured));
        phases.ended(Phase::Warmup);
        assert_eq!(phases.next(6), Some(Phase::Measured));
        phases.ended(Phase::Measured);
        assert_eq!(phases.next(9), None);
    }

    #[test]
    fn a_shard_gives_the_indices_of_the_whole() {
        let load: LoadConfig = serde_json::from_str(r#"{"concurrency": [8]}"#).unwrap();
        let mut phases = Phases::new(&load, Shard::new(1, 4).unwrap(), Some(3), 2);
        let indices = std::iter::from_fn(|| phases.next_indexed(0));
        assert_eq!(
            indices.map(|(index, _)| index).collect::<Vec<_>>(),
            [1, 5, 9]
        );
    }

    #[test]
    fn nothing_is_measured_before_the_last_slot_begins() {
        let mut phases = phases(r#"{"concurrency": [2], "requests": 2, "ramp_up": "1s"}"#);
        phases.begins();
        assert_eq!(phases.next(0), Some(Phase::Warmup));
        phases.ended(Phase::Warmup);
        assert_eq!(phases.next(1), Some(Phase::Warmup));
        phases.begins();
        assert_eq!(phases.next(2), Some(Phase::Measured));
        // Warm-up requests that are asked for come on top, where the ramp is too short.
        let longer =
            r#"{"concurrency": [2], "requests": 2, "ramp_up": "1s", "warmup_requests": 1}"#;
        let mut phases = self::phases(longer);
        phases.begins();
        phases.begins();
        assert_eq!(phases.next(0), Some(Phase::Warmup));
        phases.ended(Phase::Warmup);
        assert_eq!(phases.next(1), Some(Phase::Measured));
    }

    #[test]
    fn duration_counts_from_the_first_measured_request() {
        let mut phases = phases(r#"{"concurrency": [1], "duration": "1s"}"#);
        assert_eq!(phases.next(7_000_000_000), Some(Phase::Measured));
        phases.ended(Phase::Measured);
        assert_eq!(phases.next(7_999_999_999), Some(Phase::Measured));
        phases.ended(Phase::Measured);
        assert_eq!(phases.next(8_000_000_000), None);
    }
}
