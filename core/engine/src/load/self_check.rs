//! Watches the client itself while it makes the load: its CPU, how late its
//! event loop and its reads are, and what the machine had left for it.

mod watch;

use std::time::Duration;

use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::text::units::NS_PER_MS;

use crate::http::ReadStamp;
pub(crate) use watch::process_cpu_ns;
pub(super) use watch::{ThreadWatch, Watch};

/// Time between two looks at how late the event loop is: often enough that a
/// cell of a second has a hundred of them, and a hundred wakes a second cost
/// 0.1 % of a core.
pub(super) const LAG_EVERY: Duration = Duration::from_millis(10);
/// Buckets per doubling of a delay: values are known to within 5 %.
const PER_OCTAVE: usize = 8;
/// Delays below this, ns, share the first bucket.
const FIRST_NS: u64 = 1 << 10;
/// Doublings that are distinguished: up to 17 s.
const OCTAVES: usize = 24;
const BUCKETS: usize = PER_OCTAVE * OCTAVES + 1;

/// How many delays of which size there were: of fixed size, and nothing is
/// allocated for a value.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    counts: [u32; BUCKETS],
    n: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            n: 0,
            sum_ns: 0,
            max_ns: 0,
        }
    }
}

impl Delays {
    /// Notes one delay.
    pub fn note(&mut self, ns: u64) {
        self.counts[bucket_of(ns)] += 1;
        self.n += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.n += other.n;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The mean, ms; `None` if there is no delay.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum_ns as f64 / self.n as f64 / NS_PER_MS)
    }

    /// The largest, ms; `None` if there is no delay.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (self.n > 0).then(|| self.max_ns as f64 / NS_PER_MS)
    }

    /// The smallest delay that at least `p` percent do not exceed, ms, to within
    /// 5 % and never above the largest; `None` if there is no delay.
    #[must_use]
    pub fn percentile_ms(&self, p: f64) -> Option<f64> {
        let rank = (self.n as f64 * p / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        Some(middle_ns(bucket).min(self.max_ns as f64) / NS_PER_MS)
    }
}

fn bucket_of(ns: u64) -> usize {
    if ns < FIRST_NS {
        return 0;
    }
    let octave = ns.ilog2() - FIRST_NS.ilog2();
    // The three bits below the highest.
    let within = (ns >> (ns.ilog2() - 3)) as usize & (PER_OCTAVE - 1);
    (octave as usize * PER_OCTAVE + within + 1).min(BUCKETS - 1)
}

fn middle_ns(bucket: usize) -> f64 {
    let Some(place) = bucket.checked_sub(1) else {
        return FIRST_NS as f64 / 2.0;
    };
    let octave_ns = (FIRST_NS << (place / PER_OCTAVE)) as f64;
    octave_ns * (1.0 + (place % PER_OCTAVE) as f64 / PER_OCTAVE as f64 + 0.5 / PER_OCTAVE as f64)
}

/// How far reads lagged behind the arrival of their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadStats {
    pub reads: u64,
    /// Reads that the kernel stamped.
    pub kernel_reads: u64,
    /// Read return minus arrival of every read.
    pub delays: Delays,
}

impl ReadStats {
    pub(super) fn note(&mut self, stamp: ReadStamp) {
        self.reads += 1;
        self.kernel_reads += u64::from(stamp.from_kernel);
        self.delays
            .note(stamp.returned_ns.saturating_sub(stamp.arrival_ns));
    }

    /// Adds those of another request.
    pub fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.kernel_reads += other.kernel_reads;
        self.delays.add(&other.delays);
    }

    fn clock(&self) -> Option<&'static str> {
        match (self.kernel_reads, self.reads) {
            (_, 0) => None,
            (0, _) => Some("user"),
            (kernel, all) if kernel == all => Some("kernel"),
            _ => Some("mixed"),
        }
    }

    /// Writes its figures into a self-check.
    pub(super) fn fill_in(&self, check: &mut SelfCheck) {
        check.arrival_clock = self.clock().map(str::to_owned);
        if self.kernel_reads == 0 {
            // Without a stamp the delay of a read is 0 by definition.
            return;
        }
        check.read_delay_ms_mean = self.delays.mean_ms();
        check.read_delay_ms_p50 = self.delays.percentile_ms(50.0);
        check.read_delay_ms_p99 = self.delays.percentile_ms(99.0);
        check.read_delay_ms_max = self.delays.max_ms();
    }
}

/// How late the event loop was, and for how long it stood still.
#[derive(Debug, Default)]
pub(super) struct Lags {
    delays: Delays,
    /// Times in which at least one tick was missed as a whole.
    stalls: u64,
    stalled_ns: u64,
    longest_ns: u64,
}

impl Lags {
    /// Notes ticks from `due_ns` on that were all seen at `now_ns`, and gives when the
    /// next one is due.
    pub(super) fn note(&mut self, mut due_ns: u64, now_ns: u64) -> u64 {
        let late_ns = now_ns.saturating_sub(due_ns);
        if late_ns >= lag_every_ns() {
            self.stalls += 1;
            self.stalled_ns += late_ns;
            self.longest_ns = self.longest_ns.max(late_ns);
        }
        while due_ns <= now_ns {
            self.delays.note(now_ns - due_ns);
            due_ns += lag_every_ns();
        }
        due_ns
    }

    /// Writes its figures over `length_ns` into a self-check.
    pub(super) fn fill_in(&self, length_ns: u64, check: &mut SelfCheck) {
        check.loop_lag_ms_p50 = self.delays.percentile_ms(50.0);
        check.loop_lag_ms_p99 = self.delays.percentile_ms(99.0);
        check.loop_lag_ms_max = self.delays.max_ms();
        if self.delays.n == 0 || length_ns == 0 {
            return;
        }
        check.stalls = Some(self.stalls);
        check.stall_ms_max = (self.stalls > 0).then(|| self.longest_ns as f64 / NS_PER_MS);
        check.stalled_percent = Some(self.stalled_ns as f64 / length_ns as f64 * 100.0);
    }
}

/// [`LAG_EVERY`] in ns.
pub(super) fn lag_every_ns() -> u64 {
    LAG_EVERY.as_nanos() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn stamp(delay_ns: u64, from_kernel: bool) -> ReadStamp {
        ReadStamp {
            empty_ns: 0,
            arrival_ns: 1_000,
            returned_ns: 1_000 + delay_ns,
            from_kernel,
            emptied: true,
        }
    }

    #[test]
    fn percentiles_of_delays_are_within_a_twentieth() {
        let mut delays = Delays::default();
        for us in 1..=1000 {
            delays.note(us * 1000);
        }
        for (p, ms) in [(50.0, 0.5), (90.0, 0.9), (99.0, 0.99)] {
            let found = delays.percentile_ms(p).unwrap();
            assert!((found / ms - 1.0).abs() < 0.07, "p{p}: {found} ms");
        }
        assert!((delays.mean_ms().unwrap() - 0.5005).abs() < 1e-9);
        assert_eq!(delays.max_ms(), Some(1.0));
    }

    #[test]
    fn every_delay_has_a_bucket_whose_middle_is_near() {
        let mut ns = FIRST_NS;
        while ns < FIRST_NS << OCTAVES {
            let middle = middle_ns(bucket_of(ns));
            assert!((middle / ns as f64 - 1.0).abs() < 0.07, "{ns}: {middle}");
            ns += ns / 5 + 1;
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn sums_of_requests_are_those_of_all_reads() {
        let (mut one, mut other) = (ReadStats::default(), ReadStats::default());
        one.note(stamp(10_000, true));
        other.note(stamp(30_000, true));
        one.add(&other);
        let mut check = SelfCheck::default();
        one.fill_in(&mut check);
        assert_eq!(check.arrival_clock.as_deref(), Some("kernel"));
        assert_eq!(check.read_delay_ms_mean, Some(0.02));
        assert_eq!(check.read_delay_ms_max, Some(0.03));
    }

    #[test]
    fn reads_without_stamps_have_no_delay_and_say_so() {
        let mut reads = ReadStats::default();
        let mut check = SelfCheck::default();
        reads.fill_in(&mut check);
        assert_eq!(check, SelfCheck::default());
        reads.note(stamp(0, false));
        reads.fill_in(&mut check);
        assert_eq!(check.arrival_clock.as_deref(), Some("user"));
        assert_eq!(check.read_delay_ms_p99, None);
        reads.note(stamp(5, true));
        reads.fill_in(&mut check);
        assert_eq!(check.arrival_clock.as_deref(), Some("mixed"));
    }

    #[test]
    fn a_tick_that_is_late_by_less_than_another_is_no_stall() {
        let mut lags = Lags::default();
        const MS: u64 = 1_000_000;
        let next = lags.note(10 * MS, 19 * MS);
        assert_eq!((next, lags.stalls), (20 * MS, 0));
        // 25 ms late: the ticks due at 20, 30 and 40 ms are seen at once.
        assert_eq!(lags.note(next, 45 * MS), 50 * MS);
        let mut check = SelfCheck::default();
        lags.fill_in(250 * MS, &mut check);
        assert_eq!((check.stalls, check.stall_ms_max), (Some(1), Some(25.0)));
        assert_eq!(check.stalled_percent, Some(10.0));
    }
}
