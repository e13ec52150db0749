//! One device: its facts and its readings, each figure on its own.

use inferbench_model::manifest::GpuFacts;
use inferbench_model::record::GpuSample;
use inferbench_model::units::from_milli;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::Listed;

/// The devices that NVML lists. One that cannot be opened has no UUID.
///
/// # Errors
/// NVML cannot count them.
pub(super) fn list(nvml: &Nvml) -> Result<Vec<Listed>, NvmlError> {
    let listed = |index| {
        let device = nvml.device_by_index(index).ok();
        Listed {
            index,
            uuid: device.as_ref().and_then(|device| device.uuid().ok()),
            mig_uuids: device.as_ref().map(mig_uuids).unwrap_or_default(),
        }
    };
    Ok((0..nvml.device_count()?).map(listed).collect())
}

fn mig_uuids(device: &Device<'_>) -> Vec<String> {
    let parts = 0..device.mig_device_count().unwrap_or(0);
    let part = |index| device.mig_device_by_index(index).ok()?.uuid().ok();
    parts.filter_map(part).collect()
}

/// What is known of a device beforehand.
pub(super) fn facts(nvml: &Nvml, index: u32) -> GpuFacts {
    let device = nvml.device_by_index(index).ok();
    let device = device.as_ref();
    GpuFacts {
        index,
        name: device.and_then(|d| d.name().ok()),
        uuid: device.and_then(|d| d.uuid().ok()),
        memory_bytes: device.and_then(|d| Some(d.memory_info().ok()?.total)),
        power_limit_watts: device.and_then(|d| Some(from_milli(d.enforced_power_limit().ok()?))),
        driver: nvml.sys_driver_version().ok(),
    }
}

/// The figures of a device, as NVML gives them: watts and joules in thousandths.
pub(super) trait Readings {
    fn memory_used_bytes(&self) -> Result<u64, NvmlError>;
    fn utilization_percent(&self) -> Result<u32, NvmlError>;
    fn power_milliwatts(&self) -> Result<u32, NvmlError>;
    fn energy_millijoules(&self) -> Result<u64, NvmlError>;
    fn sm_clock_mhz(&self) -> Result<u32, NvmlError>;
    fn memory_clock_mhz(&self) -> Result<u32, NvmlError>;
    fn temperature_celsius(&self) -> Result<u32, NvmlError>;
}

impl Readings for Device<'_> {
    fn memory_used_bytes(&self) -> Result<u64, NvmlError> {
        self.memory_info().map(|memory| memory.used)
    }

    fn utilization_percent(&self) -> Result<u32, NvmlError> {
        self.utilization_rates().map(|rates| rates.gpu)
    }

    fn power_milliwatts(&self) -> Result<u32, NvmlError> {
        self.power_usage()
    }

    fn energy_millijoules(&self) -> Result<u64, NvmlError> {
        self.total_energy_consumption()
    }

    fn sm_clock_mhz(&self) -> Result<u32, NvmlError> {
        self.clock_info(Clock::SM)
    }

    fn memory_clock_mhz(&self) -> Result<u32, NvmlError> {
        self.clock_info(Clock::Memory)
    }

    fn temperature_celsius(&self) -> Result<u32, NvmlError> {
        self.temperature(TemperatureSensor::Gpu)
    }
}

/// A device under watch, and what it once told.
pub(super) struct Watched<D> {
    index: u32,
    device: Option<D>,
    told: Vec<Told>,
}

/// A figure that was told at least once.
struct Told {
    figure: &'static str,
    /// Why it was not told later, the first time.
    lost: Option<String>,
}

impl<D: Readings> Watched<D> {
    /// A device that could not be opened gives samples without figures.
    pub(super) fn new(index: u32, device: Result<D, NvmlError>) -> Self {
        Self {
            index,
            device: device.ok(),
            told: Vec::new(),
        }
    }

    pub(super) fn sample(&mut self, t_ns: u64) -> GpuSample {
        GpuSample {
            t_ns,
            index: self.index,
            memory_used_bytes: self.read("memory in use", D::memory_used_bytes),
            utilization_percent: self
                .read("utilization", D::utilization_percent)
                .map(f64::from),
            power_watts: self.read("power", D::power_milliwatts).map(from_milli),
            energy_joules: self
                .read("energy", D::energy_millijoules)
                .map(|millijoules| from_milli(millijoules as f64)),
            sm_clock_mhz: self.read("SM clock", D::sm_clock_mhz),
            memory_clock_mhz: self.read("memory clock", D::memory_clock_mhz),
            temperature_celsius: self.read("temperature", D::temperature_celsius),
            ..GpuSample::default()
        }
    }

    fn read<T>(
        &mut self,
        figure: &'static str,
        read: impl Fn(&D) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let told = self.told.iter_mut().find(|told| told.figure == figure);
        match (read(self.device.as_ref()?), told) {
            (Ok(value), Some(_)) => Some(value),
            (Ok(value), None) => {
                self.told.push(Told { figure, lost: None });
                Some(value)
            }
            (Err(error), Some(told)) => {
                told.lost.get_or_insert_with(|| error.to_string());
                None
            }
            (Err(_), None) => None,
        }
    }

    /// A line for each figure that went missing.
    pub(super) fn into_notes(self) -> Vec<String> {
        let index = self.index;
        let lost = self.told.into_iter();
        lost.filter_map(|told| Some((told.figure, told.lost?)))
            .map(|(figure, why)| format!("GPU {index} gave no {figure} at times: {why}"))
            .collect()
    }
}
