//! The limits of one request, looked at only when the next of them may be reached: a
//! read costs no timer.

use std::time::Duration;

use super::outcome::Timeouts;

/// Which limit has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// The whole request took too long.
    Total,
    /// The server was silent too long.
    Idle,
}

/// The limits of one request that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    total_ns: u64,
    idle_ns: Option<u64>,
    last_bytes_ns: u64,
}

impl Limits {
    /// The limits of a request that begins at `now_ns`.
    pub(super) fn new(timeouts: Timeouts, now_ns: u64) -> Self {
        Self {
            total_ns: now_ns.saturating_add(nanoseconds(timeouts.total)),
            idle_ns: timeouts.idle.map(nanoseconds),
            last_bytes_ns: now_ns,
        }
    }

    /// Notes that bytes came at `t_ns`: the silence starts over. Returns whether
    /// the whole request has still taken too long, as an answer that never
    /// pauses may.
    pub(super) fn note_bytes(&mut self, t_ns: u64) -> bool {
        self.last_bytes_ns = t_ns;
        t_ns >= self.total_ns
    }

    /// When the next of them may be reached, ns.
    pub(super) fn due_ns(&self) -> u64 {
        let idle = self
            .idle_ns
            .map(|idle| self.last_bytes_ns.saturating_add(idle));
        idle.map_or(self.total_ns, |idle| idle.min(self.total_ns))
    }

    /// The limit that is reached at `now_ns`; `None` if bytes have come meanwhile.
    pub(super) fn reached(&self, now_ns: u64) -> Option<Reached> {
        if now_ns >= self.total_ns {
            Some(Reached::Total)
        } else if now_ns >= self.due_ns() {
            Some(Reached::Idle)
        } else {
            None
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total_ms: u64, idle_ms: Option<u64>) -> Limits {
        let timeouts = Timeouts {
            total: Duration::from_millis(total_ms),
            idle: idle_ms.map(Duration::from_millis),
        };
        Limits::new(timeouts, 0)
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn silence_starts_over_with_every_byte() {
        let mut limits = limits(100, Some(10));
        assert!(!limits.note_bytes(8 * MS));
        assert_eq!(limits.reached(12 * MS), None);
        assert_eq!(limits.reached(18 * MS), Some(Reached::Idle));
    }

    #[test]
    fn a_stream_that_never_pauses_still_ends() {
        let mut limits = limits(100, None);
        assert!(!limits.note_bytes(99 * MS));
        assert!(limits.note_bytes(100 * MS));
        assert_eq!(limits.reached(100 * MS), Some(Reached::Total));
    }

    #[test]
    fn a_limit_without_end_does_not_overflow() {
        let timeouts = Timeouts {
            total: Duration::MAX,
            idle: Some(Duration::MAX),
        };
        assert_eq!(Limits::new(timeouts, 5).reached(u64::MAX - 1), None);
    }
}
