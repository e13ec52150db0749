//! What it costs to sample the GPUs and the host: CPU time of the sampling
//! thread, its wake-ups included, as a share of one core.
//!
//! The GPU's part needs a library that answers at once: the stand-in for NVML,
//! built in the same profile, or the one that `INFERBENCH_NVML` names.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]
#![allow(clippy::print_stdout, reason = "the figures are the bench's result")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use inferbench_engine::telemetry::gpu::{GpuSampler, LIBRARY_VARIABLE, Wanted};
use inferbench_engine::telemetry::host::{HostSampler, WatchedBackend};
use inferbench_model::config::Devices;
use nix::time::{ClockId, clock_gettime};

/// How long each is sampled, after the first sample, which opens files.
const LENGTH: Duration = Duration::from_secs(10);
const DEVICES: usize = 8;

/// CPU time of the thread that calls it.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// CPU time from the first of `ticks` to the last; each comes from the sampling
/// thread, as it hands a sample over.
fn spent(ticks: &mpsc::Receiver<Duration>, count: usize) -> Duration {
    let all: Vec<Duration> = ticks.iter().take(count + 1).collect();
    all[count] - all[0]
}

fn tell(what: &str, every: Duration, cpu: Duration) {
    let percent = 100.0 * cpu.as_secs_f64() / LENGTH.as_secs_f64();
    println!("{what:<28} every {every:>5?}: {percent:.3} % of a core");
}

fn library() -> OsString {
    std::env::var_os(LIBRARY_VARIABLE).unwrap_or_else(|| {
        let program = std::env::current_exe().unwrap();
        let built = program.parent().unwrap().parent().unwrap();
        let library: PathBuf = built.join("libstandin_nvml.so");
        assert!(
            library.is_file(),
            "{} is not there: run `cargo build --release -p inferbench-standin-nvml` first",
            library.display()
        );
        library.into()
    })
}

fn gpus(every: Duration, devices: usize, watched: &WatchedBackend) -> Duration {
    let (tick, ticks) = mpsc::channel();
    let wanted = Wanted {
        every,
        devices: Devices::Listed((0..devices).map(|n| n.to_string()).collect()),
        visible_to: Vec::new(),
        library: Some(library()),
    };
    let sink = move |_| {
        let _: Result<_, mpsc::SendError<_>> = tick.send(thread_cpu());
    };
    let status = GpuSampler::start(wanted, watched.clone(), sink).unwrap();
    let sampler = status
        .sampler
        .unwrap_or_else(|| panic!("{}", status.absence.unwrap_or_default()));
    let samples = LENGTH.as_millis() / every.as_millis();
    let cpu = spent(&ticks, samples as usize * devices);
    drop(sampler.stop());
    cpu
}

fn host(every: Duration, watched: &WatchedBackend) -> Duration {
    let (tick, ticks) = mpsc::channel();
    let sink = move |_| {
        let _: Result<_, mpsc::SendError<_>> = tick.send(thread_cpu());
    };
    let sampler = HostSampler::start(every, watched.clone(), sink).unwrap();
    let cpu = spent(&ticks, (LENGTH.as_millis() / every.as_millis()) as usize);
    sampler.stop();
    cpu
}

fn main() {
    let script = tempfile::NamedTempFile::new().unwrap();
    let device = serde_json::json!({
        "uuid": "GPU-1", "power_milliwatts": 100_000, "energy_millijoules": 1,
        "utilization_percent": 50, "memory_controller_percent": 20, "sm_clock_mhz": 1000,
        "memory_clock_mhz": 1000, "temperature_celsius": 40, "performance_state": 0,
        "pcie_rx_kib_per_s": 1, "pcie_tx_kib_per_s": 1, "throttle_reasons": 0,
        "memory": {"total_bytes": 1000, "reserved_bytes": 0, "used_bytes": 500},
    });
    let devices = vec![device; DEVICES];
    serde_json::to_writer(&script, &serde_json::json!({ "devices": devices })).unwrap();
    let beside = PathBuf::from(format!("{}.json", library().to_string_lossy()));
    std::fs::copy(script.path(), &beside).unwrap();
    // A process tree of its own size: this one.
    let watched = WatchedBackend::default();
    watched.set("bench", Some(std::process::id()));
    for every in [Duration::from_millis(100), Duration::from_millis(10)] {
        for devices in [1, DEVICES] {
            let cpu = gpus(every, devices, &watched);
            tell(&format!("GPU, {devices} of them"), every, cpu);
        }
    }
    let every = Duration::from_millis(100);
    tell("host and two process trees", every, host(every, &watched));
    std::fs::remove_file(beside).unwrap();
}
