//! Looks at GPUs, their driver, and CUDA.

use std::path::Path;

use inferbench_model::doctor::Status;
use inferbench_model::doctor::gpu::{DriverFacts, GpuState, VisibleDevices};
use inferbench_model::doctor::tools::{ProgramPath, Tool};
use inferbench_model::text::units::from_milli;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use super::ask::{self, TOOL_LIMIT};
use super::check::Lines;

/// Where the CUDA toolkit lies if it is not on the PATH.
const TOOLKIT: &str = "/usr/local/cuda/bin/nvcc";

/// Reasons for low clocks that are no business of the load's.
const SLOWED: [(ThrottleReasons, &str); 4] = [
    (ThrottleReasons::HW_SLOWDOWN, "its hardware (heat or power)"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "the driver, for heat"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "the power supply"),
];

/// A line on the driver, and one for each device.
pub(super) fn driver_and_devices(nvml: Result<Nvml, impl ToString>, lines: &Lines) {
    let nvml = match nvml {
        Ok(nvml) => nvml,
        Err(absence) => {
            let facts = DriverFacts {
                absence: Some(absence.to_string()),
                ..DriverFacts::default()
            };
            return lines.add(&facts);
        }
    };
    let devices = nvml.device_count().ok();
    let facts = DriverFacts {
        absence: None,
        driver: nvml.sys_driver_version().ok(),
        nvml: nvml.sys_nvml_version().ok(),
        cuda: nvml.sys_cuda_driver_version().ok().map(|version| {
            let major = cuda_driver_version_major(version);
            format!("{major}.{}", cuda_driver_version_minor(version))
        }),
        devices,
    };
    lines.add(&facts);
    for index in 0..devices.unwrap_or(0) {
        let device = nvml.device_by_index(index);
        let state = device.as_ref().map(state).unwrap_or_default();
        lines.add_named(format!("GPU {index}"), &state);
    }
}

fn state(device: &Device<'_>) -> GpuState {
    let memory = device.memory_info().ok();
    let reasons = device.current_throttle_reasons().ok();
    let reasons = reasons.unwrap_or(ThrottleReasons::empty());
    let slowed = SLOWED
        .iter()
        .filter(|(reason, _)| reasons.contains(*reason));
    GpuState {
        name: device.name().ok(),
        uuid: device.uuid().ok(),
        memory_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        processes: device.running_compute_processes_count().ok(),
        utilization_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        temperature_celsius: {
            use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
            device.temperature(TemperatureSensor::Gpu).ok()
        },
        power_limit_watts: device.enforced_power_limit().ok().map(from_milli),
        default_power_limit_watts: device.power_management_limit_default().ok().map(from_milli),
        slowed_by: slowed.map(|(_, words)| (*words).to_owned()).collect(),
        mig: device.mig_mode().ok().map(|mode| mode.current == 1),
    }
}

/// Absent if the variable is not set.
pub(super) fn visible_devices() -> Option<VisibleDevices> {
    let devices = std::env::var_os("CUDA_VISIBLE_DEVICES")?;
    Some(VisibleDevices {
        devices: devices.to_string_lossy().into_owned(),
    })
}

pub(super) fn toolkit() -> Tool {
    let place = match ask::find("nvcc") {
        ProgramPath::Nowhere if Path::new(TOOLKIT).is_file() => ask::find(TOOLKIT),
        place => place,
    };
    Tool {
        facts: ask::at("nvcc", place, &["--version"], TOOL_LIMIT),
        purpose: "kernels that an engine compiles itself; engines' wheels bring their CUDA",
        absence: Status::Ok,
    }
}

#[cfg(test)]
mod tests {
    use inferbench_model::doctor::Group;

    use super::super::check::{Message, check};
    use super::*;

    #[test]
    fn a_machine_without_nvml_is_one_line() {
        let (lines, messages) = Lines::of_check(&check(Group::Gpu, "NVML", |_, _| {}));
        driver_and_devices(Err("no NVIDIA library".to_owned()), &lines);
        drop(lines);
        let lines: Vec<_> = messages
            .iter()
            .map(|message| match message {
                Message::Line(line) => (line.status, line.text),
                Message::Ended => panic!("only the caller ends a check"),
            })
            .collect();
        assert_eq!(lines, [(Status::Warning, "no NVIDIA library".to_owned())]);
    }
}
