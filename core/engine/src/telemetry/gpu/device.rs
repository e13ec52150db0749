//! Lists the devices, and reads what is known of each before any sample.

use inferbench_model::facts::machine::GpuFacts;
use inferbench_model::text::units::from_milli;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::library::GpuAbsence;
use super::notes::Notes;
use super::plausible;
use super::select::{Chosen, Listed};

/// More devices than any machine has: a larger number is garbage.
const MOST_DEVICES: u32 = 1024;
/// The same for MIG instances of one device.
const MOST_INSTANCES: u32 = 64;
/// How the name of a device begins that is none.
const STAND_IN: &str = "Stand-in GPU";

/// The devices that NVML lists. One that cannot be opened has no UUID.
///
/// # Errors
/// Why there are none.
pub(super) fn list(nvml: &Nvml) -> Result<Vec<Listed>, GpuAbsence> {
    let count = nvml.device_count().map_err(GpuAbsence::List)?;
    match count {
        0 => Err(GpuAbsence::NoGpu),
        1..=MOST_DEVICES => Ok((0..count).map(|index| listed(nvml, index)).collect()),
        _ => Err(GpuAbsence::TooMany {
            count,
            most: MOST_DEVICES,
        }),
    }
}

fn listed(nvml: &Nvml, index: u32) -> Listed {
    let device = nvml.device_by_index(index).ok();
    Listed {
        index,
        uuid: device.as_ref().and_then(|device| device.uuid().ok()),
        mig: device.as_ref().map(instances).unwrap_or_default(),
    }
}

fn instances(device: &Device<'_>) -> Vec<(u32, String)> {
    let count = device.mig_device_count().unwrap_or(0).min(MOST_INSTANCES);
    let instance = |index| {
        let instance = device.mig_device_by_index(index).ok()?;
        Some((index, instance.uuid().ok()?))
    };
    (0..count).filter_map(instance).collect()
}

/// The device that is meant.
///
/// # Errors
/// NVML does not give it.
pub(super) fn open(nvml: &Nvml, chosen: Chosen) -> Result<Device<'_>, NvmlError> {
    let device = nvml.device_by_index(chosen.index)?;
    match chosen.mig {
        Some(mig) => device.mig_device_by_index(mig),
        None => Ok(device),
    }
}

/// What is known of a device beforehand. What is wrong with it goes to `notes`.
pub(super) fn facts(nvml: &Nvml, chosen: Chosen, notes: &Notes) -> GpuFacts {
    let device = open(nvml, chosen);
    if let Err(error) = &device {
        notes.line(format!("{chosen} cannot be opened: {error}"));
    }
    let device = device.ok();
    let device = device.as_ref();
    let name = device.map(Device::name);
    if let Some(Err(NvmlError::Utf8Error(_))) = &name {
        notes.line(format!("{chosen} has a name that is no UTF-8"));
    }
    let name = name.and_then(Result::ok);
    if name
        .as_deref()
        .is_some_and(|name| name.starts_with(STAND_IN))
    {
        notes.line("GPU figures come from a stand-in: no real device was measured".to_owned());
    }
    GpuFacts {
        index: chosen.index,
        name,
        uuid: device.and_then(|device| device.uuid().ok()),
        memory_bytes: device
            .and_then(|device| Some(device.memory_info().ok()?.total))
            .filter(|bytes| *bytes <= plausible::BYTES),
        power_limit_watts: device
            .and_then(|device| Some(from_milli(device.enforced_power_limit().ok()?)))
            .filter(|watts| *watts <= plausible::WATTS),
        driver: nvml.sys_driver_version().ok(),
    }
}
