//! The GPU sampler against a stand-in for NVML that plays a script: the calls
//! go through `nvml-wrapper` as they do on a real card.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

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
fn a_card_without_the_two_powers_gives_the_one_that_it_has() {
    let (samples, _) = play(json!([{"power_milliwatts": 1500}]), 1);
    assert_eq!(samples[0].power_watts, Some(1.5));
    assert_eq!(samples[0].power_average_watts, None);
}

#[test]
fn g04_a_figure_that_is_not_supported_is_absent_and_not_zero() {
    let mig = json!({"uuid": "MIG-1"});
    let (samples, notes) = play(
        json!([{
            "mig": [mig], "utilization_percent": "NOT_SUPPORTED",
            "memory": {"total_bytes": 81_920 * MIB, "used_bytes": 36_537 * MIB},
        }]),
        2,
    );
    for sample in samples {
        assert_eq!(sample.utilization_percent, None);
        assert_eq!(sample.memory_used_bytes, Some(36_537 * MIB));
    }
    assert_eq!(notes, [NO_POWER]);
}

#[test]
fn g05_a_mig_instance_is_sampled_beside_its_parent() {
    let uuid = "MIG-00000000-1111-2222-3333-444444444444";
    let stand_in = StandIn::new(&json!({"devices": [{"uuid": "GPU-0"}, {
        "uuid": "GPU-1", "power_milliwatts": 90_000,
        "memory": {"total_bytes": 1000, "used_bytes": 700},
        "mig": [{"uuid": "MIG-x"}, {
            "uuid": uuid, "memory": {"total_bytes": 500, "used_bytes": 300},
        }],
    }]}));
    let visible_to = VisibleTo {
        backend: "vllm".to_owned(),
        devices: Some(uuid.to_owned()),
        order: None,
    };
    for (devices, visible_to) in [
        (Devices::Listed(vec![uuid.to_owned()]), Vec::new()),
        (Devices::Visible, vec![visible_to]),
    ] {
        let wanted = Wanted {
            devices,
            visible_to,
            ..stand_in.wanted()
        };
        let (status, samples) = start(wanted, &WatchedBackend::default());
        let uuids: Vec<_> = status
            .facts
            .iter()
            .map(|facts| facts.uuid.as_deref())
            .collect();
        assert_eq!(uuids, [Some("GPU-1"), Some(uuid)]);
        let taken: Vec<_> = samples.iter().take(2).collect();
        let brief = |s: &GpuSample| (s.index, s.mig, s.memory_used_bytes, s.power_watts);
        assert_eq!(brief(&taken[0]), (1, None, Some(700), Some(90.0)));
        assert_eq!(brief(&taken[1]), (1, Some(1), Some(300), None));
    }
}

#[test]
fn g05_an_instance_that_gives_no_memory_is_named_with_the_reason() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "uuid": "GPU-0", "power_milliwatts": 90_000,
        "memory": {"total_bytes": 1000, "used_bytes": 700},
        "mig": [{"uuid": "MIG-0", "memory": {"total_bytes": 500, "used_bytes": "NO_PERMISSION"}}],
    }]}));
    let wanted = Wanted {
        devices: Devices::Listed(vec!["MIG-0".to_owned()]),
        ..stand_in.wanted()
    };
    let (status, samples) = start(wanted, &WatchedBackend::default());
    let taken: Vec<_> = samples.iter().take(4).collect();
    let of_instance = taken.iter().filter(|sample| sample.mig == Some(0));
    assert!(of_instance.clone().count() > 0);
    assert!(
        of_instance
            .clone()
            .all(|sample| sample.memory_used_bytes.is_none())
    );
    let notes = status.sampler.unwrap().stop();
    let words = "GPU 0 MIG 0 gives no memory in use: ";
    assert!(
        notes.iter().any(|line| line.starts_with(words)),
        "{notes:?}"
    );
}

#[test]
fn g09_an_index_in_cudas_order_samples_every_gpu_and_says_so() {
    let stand_in = StandIn::new(&json!({"devices": [{"name": "small"}, {"name": "big"}]}));
    let wanted = |order: Option<&str>| Wanted {
        devices: Devices::Visible,
        visible_to: vec![VisibleTo {
            backend: "vllm".to_owned(),
            devices: Some("0".to_owned()),
            order: order.map(str::to_owned),
        }],
        ..stand_in.wanted()
    };
    let (status, _samples) = start(wanted(None), &WatchedBackend::default());
    assert_eq!(status.facts.len(), 2);
    let notes = status.sampler.unwrap().stop();
    assert!(
        notes
            .iter()
            .any(|line| line.starts_with("`CUDA_VISIBLE_DEVICES` of vllm is \"0\""))
    );
    let (status, _samples) = start(wanted(Some("PCI_BUS_ID")), &WatchedBackend::default());
    let names: Vec<_> = status
        .facts
        .iter()
        .map(|facts| facts.name.as_deref())
        .collect();
    assert_eq!(names, [Some("Stand-in GPU (no real device) small")]);
}

#[test]
fn g10_one_device_without_power_does_not_stop_another() {
    let devices = json!([{"name": "A"}, {"name": "B", "power_milliwatts": 212_345}]);
    let (samples, _) = play(devices, 2);
    let powers: Vec<_> = samples.iter().map(|s| (s.index, s.power_watts)).collect();
    assert_eq!(powers, [(0, None), (1, Some(212.345))]);
}

#[test]
fn g11_memory_of_a_unified_device_is_the_sum_over_its_processes() {
    let (samples, notes) = play(
        json!([{"processes": [
            {"pid": 10, "used_bytes": 43 * MIB}, {"pid": 11, "used_bytes": 18 * MIB},
        ]}]),
        2,
    );
    assert_eq!(samples[0].memory_used_bytes, Some(61 * MIB));
    assert_eq!(samples[1].memory_used_bytes, Some(61 * MIB));
    assert_eq!(
        notes,
        [
            "GPU 0 reports no memory of its own: its memory in use is the sum over its processes",
            NOTHING
        ]
    );
}

#[test]
fn g12_a_device_that_reports_nothing_has_empty_samples() {
    let (samples, notes) = play(
        json!([{
            "name": "Orin (nvgpu)",
            "utilization_percent": "NOT_SUPPORTED", "power_milliwatts": "NOT_SUPPORTED",
        }]),
        2,
    );
    let expected = GpuSample {
        t_ns: samples[1].t_ns,
        read_us: samples[1].read_us,
        ..GpuSample::default()
    };
    assert_eq!(samples[1], expected);
    assert_eq!(notes, [NOTHING]);
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
fn g13_memory_is_split_between_the_backend_and_a_stranger() {
    let stranger = std::process::id();
    let mut server = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let stand_in = StandIn::new(&json!({"devices": [{
        "memory": {"total_bytes": 81_920 * MIB, "used_bytes": 39_000 * MIB},
        "processes": [
            {"pid": server.id(), "used_bytes": 29_500 * MIB},
            {"pid": stranger, "used_bytes": 9000 * MIB},
        ],
    }]}));
    let backend = WatchedBackend::default();
    backend.set("vllm", Some(server.id()));
    let (status, samples) = start(stand_in.wanted(), &backend);
    let sample = samples.recv().unwrap();
    assert_eq!(sample.memory_used_bytes, Some(39_000 * MIB));
    assert_eq!(sample.backend_memory_bytes, Some(29_500 * MIB));
    assert_eq!(sample.others_memory_bytes, Some(9500 * MIB));
    let notes = status.sampler.unwrap().stop();
    let about = format!("(pid {stranger}) was on it with 8.79 GiB while vllm ran");
    assert!(notes.iter().any(|line| line.contains(&about)), "{notes:?}");
    let about = format!("(pid {})", server.id());
    assert!(!notes.iter().any(|line| line.contains(&about)), "{notes:?}");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn g15_a_device_that_falls_off_the_bus_gives_nulls_from_then_on_and_is_noted() {
    let (samples, notes) = play(
        json!([
            {"power_milliwatts": {"by_call": [1500, 1500, "GPU_IS_LOST"]}, "sm_clock_mhz": 5},
            {"power_milliwatts": 7000},
        ]),
        8,
    );
    let of = |index| samples.iter().filter(move |sample| sample.index == index);
    let lost: Vec<_> = of(0).map(|sample| sample.power_watts).collect();
    assert_eq!(lost, [Some(1.5), Some(1.5), None, None]);
    assert!(of(0).all(|sample| sample.sm_clock_mhz == Some(5)));
    assert!(of(1).all(|sample| sample.power_watts == Some(7.0)));
    assert_eq!(
        notes,
        [
            "GPU 0 gave no power at times: device fell off the bus or has otherwise become inacessible"
        ]
    );
}

#[test]
fn a_device_that_is_lost_whole_is_one_line() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1500, "sm_clock_mhz": 5, "lost_from_s": 0.2,
    }]}));
    let (status, samples) = stand_in.start();
    assert_eq!(samples.recv().unwrap().power_watts, Some(1.5));
    let lost = samples
        .iter()
        .find(|sample| sample.power_watts.is_none())
        .unwrap();
    assert_eq!(lost.sm_clock_mhz, None);
    let notes = status.sampler.unwrap().stop();
    let lines = notes
        .iter()
        .filter(|line| line.contains("fell off the bus"));
    assert_eq!(lines.count(), 1, "{notes:?}");
}

#[test]
fn a_counter_that_runs_backwards_is_kept_as_it_is_and_noted() {
    let (samples, notes) = play(
        json!([{"energy_millijoules": {"by_call": [5000, 7000, 3000, 4000]}}]),
        4,
    );
    let joules: Vec<_> = samples.iter().map(|sample| sample.energy_joules).collect();
    assert_eq!(joules, [Some(5.0), Some(7.0), Some(3.0), Some(4.0)]);
    assert_eq!(
        notes,
        ["GPU 0: its energy counter ran backwards, from 7 to 3 J"]
    );
}

#[test]
fn figures_that_cannot_be_are_left_out_and_noted() {
    let (samples, notes) = play(
        json!([{
            "memory": {"total_bytes": 1000, "used_bytes": u64::MAX},
            "utilization_percent": 4_294_967_295_u32, "power_milliwatts": 4_294_967_295_u32,
            "temperature_celsius": 4_294_967_295_u32, "sm_clock_mhz": 4_294_967_295_u32,
            "energy_millijoules": u64::MAX, "performance_state": 32, "memory_clock_mhz": 9,
            "processes": [], "process_count": 4_294_967_295_u32,
        }]),
        1,
    );
    let expected = GpuSample {
        t_ns: samples[0].t_ns,
        read_us: samples[0].read_us,
        memory_clock_mhz: Some(9),
        memory_controller_percent: Some(0.0),
        ..GpuSample::default()
    };
    assert_eq!(samples[0], expected);
    for figure in [
        "memory in use",
        "utilization",
        "power",
        "temperature",
        "SM clock",
        "energy",
    ] {
        let line = format!("GPU 0 gave {figure} that cannot be, at times: left out");
        assert!(
            notes.iter().any(|note| note.starts_with(&line)),
            "{figure}: {notes:?}"
        );
    }
}

#[test]
fn a_name_that_is_no_text_is_absent_and_noted() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "name_is_no_text": true, "power_milliwatts": 1000,
    }]}));
    let (status, samples) = stand_in.start();
    assert_eq!(status.facts[0].name, None);
    assert_eq!(samples.recv().unwrap().power_watts, Some(1.0));
    let notes = status.sampler.unwrap().stop();
    assert_eq!(notes, ["GPU 0 has a name that is no UTF-8"]);
}

#[test]
fn more_than_sixteen_devices_are_all_sampled() {
    let devices: Vec<_> = (0..20)
        .map(|n| json!({"power_milliwatts": n * 1000}))
        .collect();
    let (samples, _) = play(devices.into(), 20);
    for (n, sample) in (0_u32..).zip(&samples) {
        assert_eq!((sample.index, sample.power_watts), (n, Some(f64::from(n))));
    }
}

#[test]
fn no_device_and_a_number_that_cannot_be_are_stated_absences() {
    assert_eq!(absence(&json!({})), "NVML lists no GPU");
    assert_eq!(
        absence(&json!({"device_count": 4_294_967_295_u32})),
        "NVML lists 4294967295 GPUs, more than 1024: none is sampled"
    );
}

#[test]
fn g03_a_version_mismatch_is_a_stated_absence_that_says_what_to_do() {
    assert_eq!(
        absence(&json!({"init": "LIB_RM_VERSION_MISMATCH"})),
        "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
    );
    assert_eq!(
        absence(&json!({"init": "DRIVER_NOT_LOADED"})),
        "the NVIDIA driver is not loaded"
    );
}

#[test]
fn a_call_that_hangs_ends_the_samples_and_delays_no_stop() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1000, "hangs_from_s": 0.2,
    }]}));
    let (status, samples) = stand_in.start();
    assert!(samples.recv().is_ok());
    while samples.recv_timeout(Duration::from_millis(1500)).is_ok() {}
    let stopping = Instant::now();
    let notes = status.sampler.unwrap().stop();
    assert!(stopping.elapsed() < LONG);
    // What was behind the sink is free, though the thread still hangs.
    assert_eq!(
        samples.recv_timeout(LONG),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    assert!(
        notes
            .iter()
            .any(|line| line.ends_with("NVML did not return from a call")),
        "{notes:?}"
    );
}

#[test]
fn a_call_that_hangs_for_a_while_leaves_a_gap() {
    let stand_in = StandIn::new(&json!({"devices": [{
        "power_milliwatts": 1000, "hangs_from_s": 0.2, "hangs_until_s": 1.5,
    }]}));
    let (status, samples) = stand_in.start();
    let mut last_ns = samples.recv().unwrap().t_ns;
    let slow = samples
        .iter()
        .find(|sample| sample.read_us >= Some(1_000_000))
        .unwrap();
    assert_eq!(slow.power_watts, Some(1.0));
    let after = samples.recv().unwrap();
    assert!(after.t_ns - slow.t_ns >= 1_000_000_000, "no gap");
    for sample in samples.try_iter() {
        assert!(sample.t_ns > last_ns);
        last_ns = sample.t_ns;
    }
    let notes = status.sampler.unwrap().stop();
    assert!(
        notes
            .iter()
            .any(|line| line.starts_with("the GPU samples have gaps")),
        "{notes:?}"
    );
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
