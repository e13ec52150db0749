//! The GPU sampler against a stand-in for NVML that plays a script: the calls
//! go through `nvml-wrapper` as they do on a real card.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod devices;
mod trouble;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use inferbench_engine::telemetry::gpu::select::VisibleTo;
use inferbench_engine::telemetry::gpu::{GpuSampler, GpuStatus, Wanted};
use inferbench_engine::telemetry::host::WatchedBackend;
use inferbench_model::config::Devices;
use inferbench_model::facts::samples::GpuSample;
use serde_json::{Value, json};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// What is said of a device that gives no figure.
const NOTHING: &str = "GPU 0 reports nothing: no power, energy, memory, utilization, clocks or temperature: the requested operation is not available on the target device";

/// Of one that gives others.
const NO_POWER: &str = "GPU 0 gives no power and no energy: the requested operation is not available on the target device";

/// The stand-in with a script of its own. Each copy is a library of its own.
struct StandIn {
    folder: TempDir,
}

impl StandIn {
    fn new(script: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { folder };
        std::fs::copy(common::standin_nvml(), this.library()).unwrap();
        let beside = format!("{}.json", this.library().display());
        std::fs::write(beside, script.to_string()).unwrap();
        this
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("nvml.so")
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            every: Duration::from_millis(10),
            devices: Devices::All,
            visible_to: Vec::new(),
            library: Some(self.library().into()),
        }
    }

    fn start(&self) -> (GpuStatus, Receiver<GpuSample>) {
        start(self.wanted(), &WatchedBackend::default())
    }
}

fn start(wanted: Wanted, backend: &WatchedBackend) -> (GpuStatus, Receiver<GpuSample>) {
    let (sender, samples) = mpsc::channel();
    let sink = move |sample| drop(sender.send(sample));
    let status = GpuSampler::start(wanted, backend.clone(), sink).unwrap();
    (status, samples)
}

/// The first `count` samples of these devices, and the notes at the end.
fn play(devices: Value, count: usize) -> (Vec<GpuSample>, Vec<String>) {
    let stand_in = StandIn::new(&json!({"devices": devices}));
    let (status, samples) = stand_in.start();
    assert_eq!(status.absence, None);
    let taken = samples.iter().take(count).collect();
    let mut notes = status.sampler.unwrap().stop();
    notes.retain(|line| !line.contains("stand-in"));
    (taken, notes)
}

fn absence(script: &Value) -> String {
    let (status, samples) = StandIn::new(script).start();
    assert!(status.sampler.is_none() && status.facts.is_empty());
    assert!(samples.recv().is_err(), "a sample came from nothing");
    status.absence.unwrap()
}

#[test]
fn every_figure_of_a_device_is_read_in_its_unit() {
    let (samples, notes) = play(
        json!([{
            "uuid": "GPU-8f01",
            "memory": {"total_bytes": 1000, "reserved_bytes": 30, "used_bytes": 600},
            "utilization_percent": 71, "memory_controller_percent": 33,
            "power_milliwatts": 1, "power_instant_milliwatts": 212_345,
            "power_average_milliwatts": 200_500, "energy_millijoules": 5_000_000_123_u64,
            "sm_clock_mhz": 1410, "memory_clock_mhz": 1593, "temperature_celsius": 44,
            "throttle_reasons": 0x24, "performance_state": 2,
            "pcie_rx_kib_per_s": 3, "pcie_tx_kib_per_s": 5, "processes": [],
        }]),
        1,
    );
    let sample = &samples[0];
    let expected = GpuSample {
        t_ns: sample.t_ns,
        index: 0,
        mig: None,
        memory_used_bytes: Some(600),
        memory_reserved_bytes: Some(30),
        utilization_percent: Some(71.0),
        memory_controller_percent: Some(33.0),
        power_watts: Some(212.345),
        power_average_watts: Some(200.5),
        energy_joules: Some(5_000_000.123),
        sm_clock_mhz: Some(1410),
        memory_clock_mhz: Some(1593),
        temperature_celsius: Some(44),
        // nvml.h: 0x4 is SwPowerCap, 0x20 is SwThermalSlowdown
        throttle_reasons: Some(vec!["sw_power_cap".into(), "sw_thermal_slowdown".into()]),
        performance_state: Some(2),
        pcie_rx_bytes_per_s: Some(3072),
        pcie_tx_bytes_per_s: Some(5120),
        backend_memory_bytes: None,
        others_memory_bytes: None,
        read_us: sample.read_us,
    };
    assert_eq!(*sample, expected);
    assert!(sample.read_us.is_some() && sample.t_ns > 0);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_reading_follows_the_last_tick_whenever_sampling_is_stopped() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1000, "energy_millijoules": {"lines": [[0, 5000], [1000, 1_005_000]]},
    }]}));
    let hour = Duration::from_secs(3600);
    let wanted = Wanted {
        every: hour,
        ..stand_in.wanted()
    };
    let (status, samples) = start(wanted, &WatchedBackend::default());
    let first = samples.recv().unwrap();
    let window_end_ns = first.t_ns + 1;
    drop(status.sampler.unwrap().stop());
    let last = samples.recv().unwrap();
    assert!(last.t_ns > window_end_ns && last.energy_joules.is_some());
    assert!(samples.recv().is_err(), "one reading, not more");
}

#[test]
fn a_stand_in_says_that_it_is_one() {
    let stand_in =
        StandIn::new(&json!({"devices": [{"power_milliwatts": 1}, {"energy_millijoules": 1}]}));
    let (status, _samples) = stand_in.start();
    for facts in &status.facts {
        assert_eq!(facts.name.as_deref(), Some("Stand-in GPU (no real device)"));
    }
    assert_eq!(
        status.sampler.unwrap().stop(),
        ["GPU figures come from a stand-in: no real device was measured"]
    );
}

#[test]
fn sampling_that_is_off_is_reported() {
    let stand_in = StandIn::new(&json!({"devices": [{}]}));
    for (devices, why) in [
        (Devices::None, "`gpu.devices` is none"),
        (
            Devices::Listed(Vec::new()),
            "`gpu.devices` is an empty list",
        ),
    ] {
        let wanted = Wanted {
            devices,
            ..stand_in.wanted()
        };
        let (status, _) = start(wanted, &WatchedBackend::default());
        assert_eq!(status.absence.as_deref(), Some(why));
        assert!(status.facts.is_empty() && status.sampler.is_none());
    }
}

#[test]
fn this_machine_is_sampled_or_says_why_not() {
    let wanted = Wanted {
        every: Duration::from_millis(10),
        devices: Devices::All,
        visible_to: Vec::new(),
        library: None,
    };
    let (status, samples) = start(wanted, &WatchedBackend::default());
    match status.sampler {
        Some(sampler) => {
            assert_eq!(samples.recv().unwrap().index, status.facts[0].index);
            drop(sampler);
        }
        None => assert!(!status.absence.unwrap().contains('\n')),
    }
}
