//! What the kernel says of its wall clock: whether it is synchronised, and by how much it
//! may be wrong.

#![allow(
    unsafe_code,
    reason = "no crate of ours reads the kernel's clock state"
)]

use std::fs;
use std::mem::MaybeUninit;

use inferbench_model::facts::shard::ClockFacts;
use nix::libc;

use super::clock;

/// Microseconds in a millisecond.
const US_PER_MS: f64 = 1000.0;
/// Id of this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Both clocks at one moment, and how far the wall clock may be off.
#[must_use]
pub fn read() -> ClockFacts {
    let (wall_ns, monotonic_ns) = clock::same_moment();
    let state = kernel_state();
    ClockFacts {
        wall_ns,
        monotonic_ns,
        boot_id: fs::read_to_string(BOOT_ID)
            .ok()
            .map(|id| id.trim().to_owned()),
        synchronised: state.map(|(synchronised, _)| synchronised),
        bound_ms: state.map(|(_, bound_ms)| bound_ms),
    }
}

/// Whether the kernel's clock is synchronised, and its largest error, ms; `None` from
/// kernels and containers that do not say.
fn kernel_state() -> Option<(bool, f64)> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: all zeros are a valid `timex`, whose `modes` of 0 asks for a reading alone;
    // the kernel writes into it and keeps no pointer.
    let (clock_state, state) = unsafe {
        let clock_state = libc::adjtimex(state.as_mut_ptr());
        (clock_state, state.assume_init())
    };
    if clock_state < 0 {
        return None;
    }
    let synchronised = clock_state != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    Some((synchronised, state.maxerror as f64 / US_PER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_those_of_one_moment() {
        let facts = read();
        let later_ns = clock::now_ns();
        assert!(facts.monotonic_ns <= later_ns);
        // What has passed since then is the same on both, but for slewing.
        let passed_ns = later_ns - facts.monotonic_ns;
        let wall_passed_ns = clock::realtime_ns().saturating_sub(facts.wall_ns);
        assert!(wall_passed_ns.abs_diff(passed_ns) < 1_000_000_000);
        assert!(facts.bound_ms.is_none_or(|bound_ms| bound_ms >= 0.0));
    }
}
