//! The one clock of a run: monotonic nanoseconds of the host. Wall-clock time
//! is for labels only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use inferbench_model::facts::manifest::Anchor;
use nix::time::{ClockId, clock_gettime};

/// What is added to the host's clock, which begins anew when the host does.
static AHEAD_NS: AtomicU64 = AtomicU64::new(0);
/// Time between the last moment of a run and the first after it was resumed on
/// a host that has been started since.
const AFTER_RESTART_NS: u64 = 1_000_000_000;

/// Monotonic time, ns. The same clock in every process of this host, unless a
/// run from before the host's start was resumed.
#[must_use]
pub fn now_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC) + AHEAD_NS.load(Ordering::Relaxed)
}

/// Lets the clock go on after `last_ns`, the last moment of a run that is taken
/// up. To be called before anything takes a time.
pub(crate) fn follow(last_ns: u64) {
    let ahead_ns = ahead_of(read_ns(ClockId::CLOCK_MONOTONIC), last_ns);
    AHEAD_NS.store(ahead_ns, Ordering::Relaxed);
}

fn ahead_of(host_ns: u64, last_ns: u64) -> u64 {
    match host_ns > last_ns {
        true => 0,
        false => last_ns - host_ns + AFTER_RESTART_NS,
    }
}

/// Wall-clock time since 1970, ns.
#[must_use]
pub fn realtime_ns() -> u64 {
    read_ns(ClockId::CLOCK_REALTIME)
}

fn read_ns(clock: ClockId) -> u64 {
    // Linux gives these clocks to every process; a kernel without them gives 0.
    clock_gettime(clock)
        .map(|t| Duration::from(t).as_nanos() as u64)
        .unwrap_or(0)
}

/// CPU time that the calling thread has used, ns.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// The present moment in UTC, RFC 3339 with milliseconds.
#[must_use]
pub fn utc_now() -> String {
    let now = jiff::Timestamp::now();
    format!("{now:.3}")
}

/// Readings of both clocks of which the tightest counts.
const READINGS: usize = 9;

/// Wall clock and monotonic clock, ns, the latter read before and after the former.
#[must_use]
pub fn same_moment() -> (u64, u64) {
    let readings = (0..READINGS).map(|_| {
        let before_ns = now_ns();
        let wall_ns = realtime_ns();
        let took_ns = now_ns().saturating_sub(before_ns);
        (took_ns, wall_ns, before_ns + took_ns / 2)
    });
    let tightest = readings.min();
    tightest.map_or((0, 0), |(_, wall_ns, monotonic_ns)| (wall_ns, monotonic_ns))
}

/// The present moment on both clocks.
#[must_use]
pub fn anchor() -> Anchor {
    let (wall_ns, monotonic_ns) = same_moment();
    let wall = jiff::Timestamp::from_nanosecond(i128::from(wall_ns));
    Anchor {
        monotonic_ns,
        utc: wall.map_or_else(|_| utc_now(), |wall| format!("{wall:.3}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_began_anew_goes_on_after_the_last_moment() {
        assert_eq!(ahead_of(500, 300), 0);
        // one second after 300 is 1,000,000,300
        assert_eq!(ahead_of(100, 300) + 100, 1_000_000_300);
    }
}
