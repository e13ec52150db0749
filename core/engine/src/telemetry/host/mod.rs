//! Samples the host: CPU and memory of the backend's process tree, of
//! InferBench and of the machine. A figure that cannot be read is absent.

mod energy;
mod proc_file;
mod tree;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inferbench_model::facts::machine::HostFacts;
use inferbench_model::facts::samples::HostSample;
use inferbench_model::text::units::{NS_PER_S, s_between};
use nix::time::{ClockId, clock_gettime};
use procfs::process::Process;
use procfs::{CpuInfo, Current, Meminfo};

use crate::os::clock::now_ns;
use crate::os::ticker::Ticker;
use energy::Packages;
use proc_file::ProcFile;
use tree::TreeMeter;

const PERCENT: f64 = 100.0;
/// Shortest time between two samples: the kernel counts the CPU of a process in
/// ticks of 10 ms, so that a share over less would be mostly rounding.
const LEAST_EVERY: Duration = Duration::from_millis(100);
/// Shortest time between two readings of what processes share: the kernel goes
/// through all their pages for it, and holds up what changes their memory.
const PSS_EVERY: Duration = Duration::from_secs(5);
/// Share of its time that such a reading may take.
const PSS_SHARE: u32 = 100;

/// What is known of this machine; what cannot be read is absent.
#[must_use]
pub fn host_facts() -> HostFacts {
    let cpus = CpuInfo::current().ok();
    let cores = cpus.as_ref().map(CpuInfo::num_cores);
    HostFacts {
        hostname: line_of("/proc/sys/kernel/hostname"),
        os: os_text(
            fs::read_to_string("/etc/os-release").ok().as_deref(),
            line_of("/proc/sys/kernel/osrelease").as_deref(),
        ),
        cpu: cpus.as_ref().and_then(|cpus| {
            let name = cpus.model_name(0)?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        }),
        cores: cores.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
        memory_bytes: Meminfo::current().ok().map(|memory| memory.mem_total),
    }
}

fn line_of(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The distribution's own name and the kernel's release.
fn os_text(os_release: Option<&str>, kernel: Option<&str>) -> Option<String> {
    let pretty = os_release.and_then(|text| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    });
    let kernel = kernel.map(|release| format!("Linux {release}"));
    let parts: Vec<String> = pretty.into_iter().chain(kernel).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The backend that runs now, shared between who starts it and the sampler.
#[derive(Debug, Clone, Default)]
pub struct WatchedBackend(Arc<Mutex<Option<Target>>>);

/// A backend under watch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    label: String,
    pid: Option<u32>,
}

impl WatchedBackend {
    /// From now on samples have this label, and count the process `pid`, its
    /// descendants, and what is in the session or group that it leads. A
    /// server that was only attached to has no `pid`.
    pub fn set(&self, label: &str, pid: Option<u32>) {
        let label = label.to_owned();
        self.replace(Some(Target { label, pid }));
    }

    /// No backend runs.
    pub fn clear(&self) {
        self.replace(None);
    }

    fn replace(&self, target: Option<Target>) {
        // A target is replaced whole: a panic elsewhere leaves no half of one.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Label of the backend that runs, and the root of its process tree.
    pub(crate) fn running(&self) -> Option<(String, Option<u32>)> {
        self.current().map(|target| (target.label, target.pid))
    }

    fn current(&self) -> Option<Target> {
        let target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        target.clone()
    }
}

/// A thread that samples the host. It ends when this is stopped or dropped.
#[derive(Debug)]
pub struct HostSampler {
    ticker: Ticker<()>,
}

impl HostSampler {
    /// Samples at once and then every `every`, 100 ms at least, each sample handed to `sink` on
    /// the sampler's own thread. CPU shares are absent in the first sample.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(
        every: Duration,
        watched: WatchedBackend,
        sink: impl Fn(HostSample) + Send + 'static,
    ) -> io::Result<Self> {
        let ticker = Ticker::start("host-samples", every.max(LEAST_EVERY), move |ticks| {
            let mut meter = Meter::open();
            while ticks.wait() {
                sink(meter.sample(watched.current()));
            }
            // The last window ends after the last tick, and needs a reading
            // of the energy behind it.
            sink(meter.last_sample());
        })?;
        Ok(Self { ticker })
    }

    /// Ends sampling and waits for the thread.
    pub fn stop(self) {
        // A panic of the sampler only ends its samples.
        let _ = self.ticker.stop();
    }
}

/// What is read, and what counters stood at in the last sample.
struct Meter {
    stat: ProcFile,
    memory: ProcFile,
    load: ProcFile,
    own: ProcFile,
    packages: Packages,
    last_ns: Option<u64>,
    client_ns: Option<u64>,
    host_ticks: Option<u64>,
    target: Option<Target>,
    tree: TreeMeter,
    /// When what processes share is read next.
    pss_due_ns: u64,
}

/// What processes use with shared pages divided.
#[derive(Default)]
struct Shared {
    backend_bytes: Option<u64>,
    client_bytes: Option<u64>,
    every_ms: Option<u64>,
}

impl Meter {
    fn open() -> Self {
        Self {
            stat: ProcFile::open("/proc/stat"),
            memory: ProcFile::open("/proc/meminfo"),
            load: ProcFile::open("/proc/loadavg"),
            own: ProcFile::open("/proc/self/statm"),
            packages: Packages::open(Path::new(energy::POWERCAP)),
            last_ns: None,
            client_ns: None,
            host_ticks: None,
            target: None,
            tree: TreeMeter::default(),
            pss_due_ns: 0,
        }
    }

    fn sample(&mut self, target: Option<Target>) -> HostSample {
        if target != self.target {
            self.tree = TreeMeter::default();
            self.target.clone_from(&target);
            self.pss_due_ns = 0;
        }
        let t_ns = now_ns();
        let passed_s = self.last_ns.replace(t_ns).map(|last| s_between(last, t_ns));
        let share = |busy_s: Option<f64>| share_percent(busy_s?, passed_s?);

        let client_ns = process_cpu_ns();
        let client_s = rise(self.client_ns, client_ns).map(|ns| ns as f64 / NS_PER_S);
        self.client_ns = client_ns;
        let host_ticks = self.stat.read(proc_file::busy_ticks);
        let host_s = rise(self.host_ticks, host_ticks).map(seconds_of_ticks);
        self.host_ticks = host_ticks;

        let pid = target.as_ref().and_then(|target| target.pid);
        let usage = pid.and_then(|pid| self.tree.measure(pid, t_ns));
        let tree_s = usage.and_then(|usage| usage.ticks).map(seconds_of_ticks);
        let own_pages = self.own.read(proc_file::resident_pages);
        let shared = self.shared(t_ns);
        HostSample {
            t_ns,
            backend: target.map(|target| target.label),
            backend_cpu_percent: share(tree_s),
            backend_rss_bytes: usage.map(|usage| usage.rss_pages * procfs::page_size()),
            backend_pss_bytes: shared.backend_bytes,
            client_cpu_percent: share(client_s),
            client_rss_bytes: own_pages.map(|pages| pages * procfs::page_size()),
            client_pss_bytes: shared.client_bytes,
            pss_every_ms: shared.every_ms,
            host_cpu_percent: share(host_s),
            memory_available_bytes: self.memory.read(proc_file::available_bytes),
            load_1m: self.load.read(proc_file::load_1m),
            cpu_energy_joules: self.packages.joules(),
        }
    }

    /// What makes sense however soon after another sample: shares of the CPU do
    /// not.
    fn last_sample(&mut self) -> HostSample {
        HostSample {
            t_ns: now_ns(),
            memory_available_bytes: self.memory.read(proc_file::available_bytes),
            load_1m: self.load.read(proc_file::load_1m),
            cpu_energy_joules: self.packages.joules(),
            ..HostSample::default()
        }
    }

    /// Nothing where it is not due.
    fn shared(&mut self, t_ns: u64) -> Shared {
        if t_ns < self.pss_due_ns {
            return Shared::default();
        }
        let backend_bytes = self.tree.pss_bytes();
        let own = Process::myself().ok();
        let client_bytes = own.as_ref().and_then(tree::pss_bytes);
        let every = pss_every(Duration::from_nanos(now_ns() - t_ns));
        self.pss_due_ns = t_ns + u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        Shared {
            backend_bytes,
            client_bytes,
            every_ms: u64::try_from(every.as_millis()).ok(),
        }
    }
}

/// Time until the next reading of what is shared, after one that took `took`.
fn pss_every(took: Duration) -> Duration {
    PSS_EVERY.max(took * PSS_SHARE)
}

fn share_percent(busy_s: f64, passed_s: f64) -> Option<f64> {
    (passed_s > 0.0).then(|| busy_s / passed_s * PERCENT)
}

/// How far a counter has risen; absent where it was not read twice or fell.
fn rise(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    now?.checked_sub(before?)
}

fn seconds_of_ticks(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

fn process_cpu_ns() -> Option<u64> {
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok()?;
    u64::try_from(Duration::from(used).as_nanos()).ok()
}

#[cfg(test)]
mod tests;
