//! The one clock of a run: monotonic nanoseconds of the host. Wall-clock time
//! is for labels only.

use std::time::Duration;

use inferbench_model::manifest::Anchor;
use nix::time::{ClockId, clock_gettime};

/// Monotonic time, ns. The same clock in every process of this host.
#[must_use]
pub fn now_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC)
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

/// The present moment on both clocks.
#[must_use]
pub fn anchor() -> Anchor {
    Anchor {
        monotonic_ns: now_ns(),
        utc: utc_now(),
    }
}
