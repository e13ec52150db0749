//! From the kernel's wall clock to the run's monotonic one, guarded against
//! steps of the wall clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::os::clock;

/// How long an offset is used, ns. The kernel slews its wall clock by 0.05 % at
/// most, which is 5 us in this time.
const LIFE_NS: u64 = 10_000_000;
/// A change of the offset from which on the wall clock was stepped and not
/// slewed, ns.
const STEP_NS: u64 = 1_000_000;
/// A read delay from which on the offset is measured again before the delay is
/// believed, ns.
const DOUBT_NS: u64 = 5_000_000;
/// Readings of both clocks per sample; the tightest one counts.
const READINGS: usize = 3;
/// A reading as tight as this needs no other, ns.
const TIGHT_NS: u64 = 1_000;

/// The two clocks.
pub(super) trait Clocks {
    /// Monotonic time, ns.
    fn monotonic_ns(&self) -> u64;
    /// Wall-clock time, ns.
    fn wall_ns(&self) -> u64;
}

pub(super) struct HostClocks;

impl Clocks for HostClocks {
    fn monotonic_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn wall_ns(&self) -> u64 {
        clock::realtime_ns()
    }
}

/// The offset that every connection of this process uses.
pub(super) static HOST_OFFSET: ClockOffset = ClockOffset::new();

/// Steps of the wall clock, of more than 1 ms each, that reads of this process
/// have noticed since it started. A step while nothing is read stays unnoticed
/// until the next read.
#[must_use]
pub fn clock_steps() -> u64 {
    HOST_OFFSET.steps.load(Relaxed)
}

/// Wall clock minus monotonic clock, measured again every 10 ms.
#[derive(Debug)]
pub(super) struct ClockOffset {
    /// When it was taken, by the monotonic clock; 0 before the first time.
    taken_ns: AtomicU64,
    wall_minus_monotonic_ns: AtomicI64,
    steps: AtomicU64,
    /// When the last step was noticed, by the monotonic clock.
    stepped_ns: AtomicU64,
}

impl ClockOffset {
    pub(super) const fn new() -> Self {
        Self {
            taken_ns: AtomicU64::new(0),
            wall_minus_monotonic_ns: AtomicI64::new(0),
            steps: AtomicU64::new(0),
            stepped_ns: AtomicU64::new(0),
        }
    }

    /// The kernel's stamp of a read that returned at `returned_ns`, by the
    /// monotonic clock; `None` if a step of the wall clock makes it doubtful.
    pub(super) fn arrival_ns(
        &self,
        stamp_wall_ns: u64,
        returned_ns: u64,
        clocks: &impl Clocks,
    ) -> Option<u64> {
        let age_ns = returned_ns.saturating_sub(self.taken_ns.load(Relaxed));
        if age_ns > LIFE_NS {
            self.sample(clocks);
        }
        let mut arrival_ns = self.monotonic_of(stamp_wall_ns);
        let believable = returned_ns.saturating_sub(DOUBT_NS)..=returned_ns;
        if !believable.contains(&arrival_ns) {
            self.sample(clocks);
            arrival_ns = self.monotonic_of(stamp_wall_ns);
        }
        // Bytes from before a step carry a stamp that the new offset cannot turn.
        let stepped = arrival_ns < self.stepped_ns.load(Relaxed);
        let future = arrival_ns > returned_ns.saturating_add(STEP_NS);
        (!stepped && !future).then_some(arrival_ns.min(returned_ns))
    }

    fn monotonic_of(&self, wall_ns: u64) -> u64 {
        let offset_ns = self.wall_minus_monotonic_ns.load(Relaxed);
        wall_ns.saturating_add_signed(offset_ns.saturating_neg())
    }

    fn sample(&self, clocks: &impl Clocks) {
        let mut best: Option<(u64, i64)> = None;
        for _ in 0..READINGS {
            let before_ns = clocks.monotonic_ns();
            let wall_ns = clocks.wall_ns();
            let width_ns = clocks.monotonic_ns().saturating_sub(before_ns);
            let offset_ns = wall_ns.wrapping_sub(before_ns + width_ns / 2).cast_signed();
            if best.is_none_or(|(tightest_ns, _)| width_ns < tightest_ns) {
                best = Some((width_ns, offset_ns));
            }
            if width_ns <= TIGHT_NS {
                break;
            }
        }
        let Some((width_ns, offset_ns)) = best else {
            return;
        };
        let now_ns = clocks.monotonic_ns();
        let first = self.taken_ns.load(Relaxed) == 0;
        let last_ns = self.wall_minus_monotonic_ns.swap(offset_ns, Relaxed);
        self.taken_ns.store(now_ns, Relaxed);
        // The swap lets one thread alone see the jump.
        if !first && offset_ns.abs_diff(last_ns) > STEP_NS + width_ns {
            self.stepped_ns.store(now_ns, Relaxed);
            self.steps.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: u64 = 1_000_000;
    const SECOND: i64 = 1_000_000_000;
    /// Wall clock minus monotonic clock before any step.
    const EPOCH: i64 = 1_700_000_000 * SECOND;

    /// Clocks that stand still, but for what each look at them costs.
    struct Script {
        monotonic_ns: Cell<u64>,
        offset_ns: Cell<i64>,
        costs_ns: Cell<Vec<u64>>,
    }

    impl Script {
        fn at(monotonic_ns: u64) -> Self {
            Self {
                monotonic_ns: Cell::new(monotonic_ns),
                offset_ns: Cell::new(EPOCH),
                costs_ns: Cell::default(),
            }
        }

        fn wall_at(&self, monotonic_ns: u64) -> u64 {
            monotonic_ns.saturating_add_signed(self.offset_ns.get())
        }

        fn step(&self, by_ns: i64) {
            self.offset_ns.set(self.offset_ns.get() + by_ns);
        }
    }

    impl Clocks for Script {
        fn monotonic_ns(&self) -> u64 {
            self.monotonic_ns.get()
        }

        /// The look at the wall clock takes as long as the script says.
        fn wall_ns(&self) -> u64 {
            let wall_ns = self.wall_at(self.monotonic_ns.get());
            let mut costs = self.costs_ns.take();
            let cost_ns = if costs.is_empty() { 0 } else { costs.remove(0) };
            self.costs_ns.set(costs);
            self.monotonic_ns.set(self.monotonic_ns.get() + cost_ns);
            wall_ns
        }
    }

    fn steps(offset: &ClockOffset) -> u64 {
        offset.steps.load(Relaxed)
    }

    #[test]
    fn a_stamp_becomes_the_same_moment_of_the_monotonic_clock() {
        let (offset, clocks) = (ClockOffset::new(), Script::at(500 * MS));
        let stamp = clocks.wall_at(499 * MS);
        assert_eq!(offset.arrival_ns(stamp, 500 * MS, &clocks), Some(499 * MS));
        assert_eq!(steps(&offset), 0, "the first offset is no step");
    }

    #[test]
    fn the_tightest_of_three_readings_counts() {
        let (offset, clocks) = (ClockOffset::new(), Script::at(500 * MS));
        // Twice the thread is put aside between its looks at the two clocks.
        clocks.costs_ns.set(vec![4 * MS, 2 * MS, 0]);
        let stamp = clocks.wall_at(505 * MS);
        assert_eq!(offset.arrival_ns(stamp, 506 * MS, &clocks), Some(505 * MS));
    }

    #[test]
    fn slewing_is_followed_and_is_no_step() {
        let (offset, clocks) = (ClockOffset::new(), Script::at(0));
        for turn in 1..=100 {
            let now = turn * 10 * MS + turn;
            clocks.monotonic_ns.set(now);
            clocks.step(5_000);
            let stamp = clocks.wall_at(now - 1_000);
            let arrival = offset.arrival_ns(stamp, now, &clocks).unwrap();
            assert!(arrival.abs_diff(now - 1_000) <= 5_000, "{turn}: {arrival}");
        }
        assert_eq!(steps(&offset), 0);
    }

    #[test]
    fn bytes_from_before_a_step_are_not_stamped_by_the_kernel() {
        for by in [5 * SECOND, -5 * SECOND, 20_000_000, -20_000_000] {
            let (offset, clocks) = (ClockOffset::new(), Script::at(500 * MS));
            let early = clocks.wall_at(500 * MS);
            assert!(offset.arrival_ns(early, 500 * MS, &clocks).is_some());
            let stamp = clocks.wall_at(501 * MS);
            clocks.step(by);
            clocks.monotonic_ns.set(512 * MS);
            assert_eq!(offset.arrival_ns(stamp, 512 * MS, &clocks), None, "{by}");
            assert_eq!(steps(&offset), 1, "{by}");
        }
    }

    #[test]
    fn a_step_shows_before_the_offset_is_due() {
        for by in [5 * SECOND, -5 * SECOND] {
            let (offset, clocks) = (ClockOffset::new(), Script::at(500 * MS));
            let early = clocks.wall_at(500 * MS);
            assert!(offset.arrival_ns(early, 500 * MS, &clocks).is_some());
            clocks.step(by);
            clocks.monotonic_ns.set(502 * MS);
            let stamp = clocks.wall_at(501 * MS);
            assert_eq!(offset.arrival_ns(stamp, 502 * MS, &clocks), None, "{by}");
            assert_eq!(steps(&offset), 1, "{by}");
            clocks.monotonic_ns.set(504 * MS);
            let stamp = clocks.wall_at(503 * MS);
            let after = offset.arrival_ns(stamp, 504 * MS, &clocks);
            assert_eq!(after, Some(503 * MS), "the new offset holds");
        }
    }

    #[test]
    fn a_late_read_keeps_the_kernels_stamp() {
        let (offset, clocks) = (ClockOffset::new(), Script::at(500 * MS));
        let stamp = clocks.wall_at(500 * MS);
        clocks.monotonic_ns.set(900 * MS);
        assert_eq!(offset.arrival_ns(stamp, 900 * MS, &clocks), Some(500 * MS));
        assert_eq!(steps(&offset), 0);
    }
}
