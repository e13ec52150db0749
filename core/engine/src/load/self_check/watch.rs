//! What the system reports of this process and this machine over a cell. A figure
//! that cannot be read is absent.

use std::fs;
use std::time::Duration;

use inferbench_model::facts::self_check::{CLOCK_STEP_LIMIT_MS, SelfCheck};
use inferbench_model::text::units::NS_PER_MS;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::gettid;
use procfs::process::Process;
use procfs::{CpuPressure, Current, CurrentSI, KernelStats};

use crate::os::cgroup;
use crate::os::clock;
use crate::os::limits;
use crate::os::ticker::Ticker;

const PERCENT: f64 = 100.0;
/// Time between two looks at the clocks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Every so many looks the open files are counted, which costs more.
const FILES_EVERY: u64 = 5;
/// A pair of clock readings that took longer says nothing about a step, ns.
const TRUSTED_READING_NS: u64 = 100_000;
/// Fastest slewing of the wall clock by the kernel: 500 parts in a million.
const SLEW: f64 = 0.0005;
/// Nanoseconds in a microsecond, in which the kernel counts pressure.
const NS_PER_US: u64 = 1000;

/// Counters at one moment.
#[derive(Debug, Clone, Default)]
struct Counters {
    t_ns: u64,
    process_cpu_ns: Option<u64>,
    /// Stolen and all ticks of the machine.
    ticks: Option<(u64, u64)>,
    pressure_us: Option<u64>,
    throttled_ns: Option<u64>,
    asleep_ns: Option<u64>,
}

impl Counters {
    fn now() -> Self {
        Self {
            t_ns: clock::now_ns(),
            process_cpu_ns: process_cpu_ns(),
            ticks: ticks(),
            pressure_us: CpuPressure::current().ok().map(|p| p.some.total),
            throttled_ns: cgroup::throttled_ns(),
            asleep_ns: asleep_ns(),
        }
    }
}

/// CPU that this process has used, ns.
pub(crate) fn process_cpu_ns() -> Option<u64> {
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok()?;
    u64::try_from(Duration::from(used).as_nanos()).ok()
}

/// Time for which the machine has slept since its start, ns: what one clock counts and
/// the other one does not.
fn asleep_ns() -> Option<u64> {
    let with_sleep = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let with_sleep = u64::try_from(Duration::from(with_sleep).as_nanos()).ok()?;
    Some(with_sleep.saturating_sub(clock::now_ns()))
}

/// Time for which the calling thread was ready and had no core, ns.
fn thread_wait_ns() -> Option<u64> {
    let process = Process::myself().ok()?;
    let thread = process.task_from_tid(gettid().as_raw()).ok()?;
    Some(thread.schedstat().ok()?.run_delay)
}

fn ticks() -> Option<(u64, u64)> {
    let cpu = KernelStats::current().ok()?.total;
    let stolen = cpu.steal?;
    let more = [cpu.iowait, cpu.irq, cpu.softirq];
    let more: u64 = more.into_iter().flatten().sum();
    Some((
        stolen,
        cpu.user + cpu.nice + cpu.system + cpu.idle + stolen + more,
    ))
}

/// What the looks during a cell have found.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    open_files: Option<u64>,
    clock_steps: u64,
    clock_step_ms_max: Option<f64>,
}

/// Watches one thread from its start until its figures are asked for; both on that
/// thread.
#[derive(Debug)]
pub(in crate::load) struct ThreadWatch {
    began_ns: u64,
    cpu_ns: u64,
    wait_ns: Option<u64>,
}

impl ThreadWatch {
    /// Starts to watch the calling thread.
    pub(in crate::load) fn start() -> Self {
        Self {
            began_ns: clock::now_ns(),
            cpu_ns: clock::thread_cpu_ns(),
            wait_ns: thread_wait_ns(),
        }
    }

    /// Writes what it has seen into a self-check; gives how long it has watched, ns.
    pub(in crate::load) fn fill_in(self, check: &mut SelfCheck) -> u64 {
        let wall_ns = clock::now_ns().saturating_sub(self.began_ns);
        check.client_cpu_percent = share(Some(self.cpu_ns), Some(clock::thread_cpu_ns()), wall_ns);
        check.core_wait_percent = share(self.wait_ns, thread_wait_ns(), wall_ns);
        wall_ns
    }
}

/// How much of `wall_ns` a counter of ns has risen by, percent.
fn share(before: Option<u64>, now: Option<u64>, wall_ns: u64) -> Option<f64> {
    let risen = now?.checked_sub(before?)?;
    (wall_ns > 0).then(|| risen as f64 / wall_ns as f64 * PERCENT)
}

/// Watches this process and this machine from its start until its figures are asked
/// for.
#[derive(Debug)]
pub(in crate::load) struct Watch {
    began: Counters,
    looks: Option<Ticker<Looks>>,
}

impl Watch {
    /// Starts to watch.
    pub(in crate::load) fn start() -> Self {
        let looks = Ticker::start("self-check", LOOK_EVERY, |ticks| {
            let mut looks = Looks::default();
            let mut offset = Offset::default();
            let mut n = 0;
            while ticks.wait() {
                if let Some(step_ms) = offset.step_ms(read_clocks()) {
                    looks.clock_steps += 1;
                    looks.clock_step_ms_max = looks
                        .clock_step_ms_max
                        .map_or(Some(step_ms), |max| Some(max.max(step_ms)));
                }
                // Not at once: a cell opens its connections first.
                if n % FILES_EVERY == 1 {
                    looks.open_files = looks.open_files.max(open_files());
                }
                n += 1;
            }
            looks
        });
        Self {
            began: Counters::now(),
            looks: looks.ok(),
        }
    }

    /// Stops watching and writes what it has seen into a self-check.
    pub(in crate::load) fn fill_in(self, check: &mut SelfCheck) {
        let (began, ended) = (self.began, Counters::now());
        let wall_ns = ended.t_ns.saturating_sub(began.t_ns);
        let share = |before, now| share(before, now, wall_ns);
        check.process_cpu_percent = share(began.process_cpu_ns, ended.process_cpu_ns);
        let pressure_ns = |us: Option<u64>| us.map(|us| us * NS_PER_US);
        check.cpu_pressure_percent = share(
            pressure_ns(began.pressure_us),
            pressure_ns(ended.pressure_us),
        );
        check.steal_percent = steal_percent(began.ticks, ended.ticks);
        if let Some(looks) = self.looks.and_then(Ticker::stop) {
            check.open_files = looks.open_files;
            check.clock_steps = Some(looks.clock_steps);
            check.clock_step_ms_max = looks.clock_step_ms_max;
        }
        check.open_files_limit = limits::open_files().ok().map(|limit| limit.soft);
        check.local_ports_left = limits::local_ports_left();
        check.throttled_percent = share(began.throttled_ns, ended.throttled_ns);
        let slept = began.asleep_ns.zip(ended.asleep_ns);
        check.slept_s = slept.map(|(before, now)| now.saturating_sub(before) as f64 / 1e9);
    }
}

fn steal_percent(before: Option<(u64, u64)>, now: Option<(u64, u64)>) -> Option<f64> {
    let ((stolen_before, all_before), (stolen, all)) = before.zip(now)?;
    let passed = all.checked_sub(all_before).filter(|passed| *passed > 0)?;
    Some(stolen.saturating_sub(stolen_before) as f64 / passed as f64 * PERCENT)
}

fn open_files() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// Monotonic time and the wall clock's lead over it, ns; `None` if the readings
/// were torn apart.
fn read_clocks() -> Option<(u64, i128)> {
    let before = clock::now_ns();
    let wall = clock::realtime_ns();
    let after = clock::now_ns();
    (after - before <= TRUSTED_READING_NS).then(|| {
        let middle = i128::midpoint(i128::from(before), i128::from(after));
        (after, i128::from(wall) - middle)
    })
}

/// The wall clock's lead over the monotonic one, when it was last read.
#[derive(Debug, Default)]
struct Offset {
    last: Option<(u64, i128)>,
}

impl Offset {
    /// Size of the step between the last reading and this one, ms; `None` if
    /// there was none beyond what slewing explains.
    fn step_ms(&mut self, reading: Option<(u64, i128)>) -> Option<f64> {
        let (now_ns, lead_ns) = reading?;
        let (last_ns, last_lead_ns) = self.last.replace((now_ns, lead_ns))?;
        let step_ms = (lead_ns - last_lead_ns).unsigned_abs() as f64 / NS_PER_MS;
        let slewed_ms = now_ns.saturating_sub(last_ns) as f64 / NS_PER_MS * SLEW;
        (step_ms > CLOCK_STEP_LIMIT_MS + slewed_ms).then_some(step_ms)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_jump_of_the_wall_clock_is_a_step_and_slewing_is_none() {
        let mut offset = Offset::default();
        assert_eq!(offset.step_ms(Some((0, 1_000))), None, "nothing to compare");
        assert_eq!(offset.step_ms(Some((100 * MS, 51_000))), None, "0.05 ms");
        assert_eq!(offset.step_ms(None), None);
        // A thread that slept 10 s while the clock was slewed by 5 ms.
        let slewed = (10_100 * MS, 51_000 + 5_000_000);
        assert_eq!(offset.step_ms(Some(slewed)), None);
        let back = (10_200 * MS, 51_000 + 5_000_000 - 40_000_000);
        assert_eq!(offset.step_ms(Some(back)), Some(40.0));
    }

    #[test]
    fn steal_is_a_share_of_all_ticks() {
        assert_eq!(steal_percent(Some((10, 1000)), Some((20, 1200))), Some(5.0));
        assert_eq!(steal_percent(Some((10, 1000)), Some((10, 1000))), None);
        assert_eq!(steal_percent(None, Some((20, 1200))), None);
    }

    #[test]
    fn a_thread_that_computes_uses_a_core_or_waits_for_one() {
        let (watch, thread) = (Watch::start(), ThreadWatch::start());
        let until_ns = clock::now_ns() + 300 * MS;
        while clock::now_ns() < until_ns {}
        let mut check = SelfCheck::default();
        thread.fill_in(&mut check);
        watch.fill_in(&mut check);
        let used = check.client_cpu_percent.unwrap() + check.core_wait_percent.unwrap_or(0.0);
        assert!(used > 80.0 && used < 120.0, "{check:?}");
        assert!(check.process_cpu_percent >= check.client_cpu_percent);
        assert!(check.open_files.unwrap() > 0);
        assert!(check.open_files < check.open_files_limit);
    }
}
