#![allow(clippy::unwrap_used, reason = "tests may panic")]

use inferbench_model::config::Devices;
use inferbench_model::units::DurationText;

use super::device::{Readings, Watched};
use super::*;

/// A device of which each call is told by hand.
#[derive(Default)]
struct Fake {
    memory_used_bytes: Option<u64>,
    utilization_percent: Option<u32>,
    power_milliwatts: Option<u32>,
    lost: std::cell::Cell<bool>,
}

impl Fake {
    fn tell<T>(&self, value: Option<T>) -> Result<T, NvmlError> {
        if self.lost.get() {
            return Err(NvmlError::GpuLost);
        }
        value.ok_or(NvmlError::NotSupported)
    }
}

impl Readings for &Fake {
    fn memory_used_bytes(&self) -> Result<u64, NvmlError> {
        self.tell(self.memory_used_bytes)
    }
    fn utilization_percent(&self) -> Result<u32, NvmlError> {
        self.tell(self.utilization_percent)
    }
    fn power_milliwatts(&self) -> Result<u32, NvmlError> {
        self.tell(self.power_milliwatts)
    }
    fn energy_millijoules(&self) -> Result<u64, NvmlError> {
        self.tell(None)
    }
    fn sm_clock_mhz(&self) -> Result<u32, NvmlError> {
        self.tell(None)
    }
    fn memory_clock_mhz(&self) -> Result<u32, NvmlError> {
        self.tell(None)
    }
    fn temperature_celsius(&self) -> Result<u32, NvmlError> {
        self.tell(None)
    }
}

fn there() -> Vec<Listed> {
    ["GPU-8f01", "GPU-9c22"]
        .iter()
        .zip(0..)
        .map(|(uuid, index)| Listed {
            index,
            uuid: Some((*uuid).to_owned()),
            mig_uuids: Vec::new(),
        })
        .collect()
}

fn listed(names: &[&str]) -> Devices {
    Devices::Listed(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn all_none_and_listed_devices_are_found() {
    assert_eq!(select(&Devices::All, &there()), Ok(vec![0, 1]));
    assert_eq!(select(&Devices::None, &there()), Ok(vec![]));
    assert_eq!(select(&listed(&["1", "0", "1"]), &there()), Ok(vec![0, 1]));
    assert_eq!(select(&listed(&["GPU-9c22"]), &there()), Ok(vec![1]));
}

#[test]
fn g14_a_prefix_must_fit_one_uuid() {
    assert_eq!(select(&listed(&["GPU-8f"]), &there()), Ok(vec![0]));
    assert_eq!(
        select(&listed(&["0", "GPU-"]), &there())
            .unwrap_err()
            .to_string(),
        "`gpu.devices[1]` is \"GPU-\", which 2 devices begin with: 0 (GPU-8f01), 1 (GPU-9c22)"
    );
}

#[test]
fn an_unknown_device_is_an_error_that_lists_what_there_is() {
    for name in ["2", "GPU-aa", "-1", ""] {
        assert_eq!(
            select(&listed(&[name]), &there()).unwrap_err().to_string(),
            format!("`gpu.devices[0]` is {name:?}, there are 0 (GPU-8f01), 1 (GPU-9c22)")
        );
    }
}

#[test]
fn g05_a_mig_uuid_stands_for_its_parent() {
    let mut there = there();
    there[1].mig_uuids = vec!["MIG-00000000-1111-2222-3333-444444444444".to_owned()];
    let wanted = listed(&["MIG-00000000-1111-2222-3333-444444444444"]);
    assert_eq!(select(&wanted, &there), Ok(vec![1]));
}

#[test]
fn g04_a_figure_that_is_not_supported_is_absent_and_not_zero() {
    let mig = Fake {
        memory_used_bytes: Some(36_537 * 1024 * 1024),
        ..Fake::default()
    };
    let sample = Watched::new(0, Ok(&mig)).sample(7);
    assert_eq!((sample.t_ns, sample.index), (7, 0));
    assert_eq!(sample.utilization_percent, None);
    assert_eq!(sample.memory_used_bytes, Some(36_537 * 1024 * 1024));
}

#[test]
fn g10_one_device_without_power_does_not_stop_another() {
    let (a, b) = (
        Fake::default(),
        Fake {
            power_milliwatts: Some(212_345),
            ..Fake::default()
        },
    );
    assert_eq!(Watched::new(0, Ok(&a)).sample(0).power_watts, None);
    assert_eq!(Watched::new(1, Ok(&b)).sample(0).power_watts, Some(212.345));
}

#[test]
fn g15_a_device_that_is_lost_half_way_gives_nulls_and_is_told_of() {
    let fake = Fake {
        power_milliwatts: Some(1500),
        ..Fake::default()
    };
    let mut watched = Watched::new(3, Ok(&fake));
    assert_eq!(watched.sample(1).power_watts, Some(1.5));
    fake.lost.set(true);
    assert_eq!(watched.sample(2).power_watts, None);
    assert_eq!(watched.sample(3).power_watts, None);
    assert_eq!(
        watched.into_notes(),
        [
            "GPU 3 gave no power at times: device fell off the bus or has otherwise become inacessible"
        ]
    );
}

#[test]
fn a_device_that_cannot_be_opened_gives_samples_without_figures() {
    let mut watched: Watched<&Fake> = Watched::new(0, Err(NvmlError::GpuLost));
    assert_eq!(watched.sample(1).memory_used_bytes, None);
}

#[test]
fn g02_without_a_library_the_absence_is_one_line() {
    let Err(absence) = open(&["libinferbench-none.so.1", "/nowhere/libnvidia-ml.so"]) else {
        panic!("a library that does not exist was opened");
    };
    assert_eq!(
        absence,
        "no NVIDIA library: none of libinferbench-none.so.1, /nowhere/libnvidia-ml.so loads"
    );
}

#[test]
fn g03_a_version_mismatch_says_what_to_do() {
    assert_eq!(
        init_absence(&NvmlError::LibRmVersionMismatch),
        "the NVIDIA library and the loaded driver have different versions: reboot, or reload the driver"
    );
}

#[test]
fn sampling_that_is_off_is_said_so() {
    let config = GpuConfig {
        devices: Devices::None,
        ..GpuConfig::default()
    };
    let status = GpuSampler::start(&config, |_| {}).unwrap();
    assert_eq!(status.absence.as_deref(), Some("`gpu.devices` is none"));
    assert!(status.facts.is_empty() && status.sampler.is_none());
}

#[test]
fn this_machine_is_sampled_or_says_why_not() {
    let (sender, samples) = std::sync::mpsc::channel();
    let config = GpuConfig {
        sample_every: DurationText::from_millis(10),
        ..GpuConfig::default()
    };
    let sink = move |sample| {
        let _ = sender.send(sample);
    };
    let status = GpuSampler::start(&config, sink).unwrap();
    match status.sampler {
        Some(sampler) => {
            assert!(status.absence.is_none() && !status.facts.is_empty());
            let sample = samples.recv().unwrap();
            assert_eq!(sample.index, status.facts[0].index);
            let _ = sampler.stop();
            assert!(samples.iter().count() < 1000, "the sampler went on");
        }
        None => {
            assert!(!status.absence.unwrap().contains('\n'));
            assert!(samples.recv().is_err(), "a sample came from nothing");
        }
    }
}
