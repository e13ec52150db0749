//! Samples one device, each figure on its own.

use inferbench_model::facts::samples::GpuSample;
use inferbench_model::text::units::{from_kib, from_milli};
use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, PcieUtilCounter, PerformanceState, TemperatureSensor,
};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::MemoryInfo;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_POWER_INSTANT};

use super::counter::EnergyWatch;
use super::figures::Figures;
use super::notes::Notes;
use super::owners::{self, Shares};
use super::plausible;
use super::select::Chosen;
use crate::os::clock::now_ns;

/// Time between two looks at a device's processes: they cost more than the rest.
const PROCESSES_EVERY_NS: u64 = 1_000_000_000;
/// PCIe traffic is read only where that takes less: on many cards NVML counts
/// it for 20 ms first.
const CHEAP_NS: u64 = 1_000_000;

/// Reasons for low clocks, in NVML's words.
const REASONS: [(ThrottleReasons, &str); 9] = [
    (ThrottleReasons::GPU_IDLE, "gpu_idle"),
    (
        ThrottleReasons::APPLICATIONS_CLOCKS_SETTING,
        "applications_clocks_setting",
    ),
    (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
    (ThrottleReasons::SYNC_BOOST, "sync_boost"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
    (
        ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN,
        "hw_power_brake_slowdown",
    ),
    (
        ThrottleReasons::DISPLAY_CLOCK_SETTING,
        "display_clock_setting",
    ),
];

/// A backend that runs: its label and, if it was launched, its supervisor's pid.
pub(super) type RunningBackend = Option<(String, Option<u32>)>;

/// A device, what it gives, and what it once gave.
pub(super) struct Watched<'nvml> {
    chosen: Chosen,
    device: Option<Device<'nvml>>,
    figures: Figures,
    energy: EnergyWatch,
    gives_powers: bool,
    gives_pcie: bool,
    shares: Shares,
    shares_ns: Option<u64>,
    shares_of: RunningBackend,
}

impl<'nvml> Watched<'nvml> {
    /// A device that could not be opened gives samples without figures.
    pub(super) fn new(
        chosen: Chosen,
        device: Result<Device<'nvml>, NvmlError>,
        notes: Notes,
    ) -> Self {
        let device = device.ok();
        Self {
            gives_powers: device.as_ref().is_some_and(gives_powers),
            gives_pcie: device.as_ref().is_some_and(gives_pcie_at_once),
            chosen,
            device,
            figures: Figures::new(chosen, notes),
            energy: EnergyWatch::default(),
            shares: Shares::default(),
            shares_ns: None,
            shares_of: None,
        }
    }

    /// Reads every figure.
    pub(super) fn sample(&mut self, running: &RunningBackend) -> GpuSample {
        let began_ns = now_ns();
        let blank = GpuSample {
            t_ns: began_ns,
            index: self.chosen.index,
            mig: self.chosen.mig,
            ..GpuSample::default()
        };
        let Some(device) = self.device.take() else {
            return blank;
        };
        self.figures.notes.reading_begins(began_ns);
        let sample = self.read(&device, blank, running);
        self.device = Some(device);
        let took_ns = now_ns().saturating_sub(began_ns);
        self.figures.notes.reading_ends(took_ns);
        GpuSample {
            read_us: Some(took_ns / 1000),
            ..sample
        }
    }

    /// Notes what the device never gave. An instance gives few figures of its own.
    pub(super) fn conclude(&self) {
        let line = match self.chosen.mig {
            None => self.figures.never_given(),
            Some(_) => self.figures.no_memory(),
        };
        if let Some(line) = line.filter(|_| self.device.is_some()) {
            self.figures.notes.line(line);
        }
    }

    fn read(
        &mut self,
        device: &Device<'_>,
        blank: GpuSample,
        running: &RunningBackend,
    ) -> GpuSample {
        let memory = self.memory(device);
        let used = memory.as_ref().map(|memory| memory.used);
        let figures = &mut self.figures;
        let rates = figures.given("utilization", device.utilization_rates());
        let percent = |name, value: Option<u32>| figures.within(name, value, plausible::PERCENT);
        let utilization = percent("utilization", rates.as_ref().map(|rates| rates.gpu));
        let controller = percent("utilization", rates.as_ref().map(|rates| rates.memory));
        let (power, average) = self.power(device);
        let energy = self.energy(device, blank.t_ns, power);
        let (rx, tx) = self.pcie(device);
        let figures = &mut self.figures;
        let clock = |figures: &mut Figures, name, which| {
            let mhz = figures.given(name, device.clock_info(which));
            figures.within(name, mhz, plausible::MEGAHERTZ)
        };
        let sm_clock_mhz = clock(figures, "SM clock", Clock::SM);
        let memory_clock_mhz = clock(figures, "memory clock", Clock::Memory);
        let heat = figures.given("temperature", device.temperature(TemperatureSensor::Gpu));
        let reasons = figures.given("throttle reasons", device.current_throttle_reasons());
        let state = figures.given("performance state", device.performance_state());
        let shares = self.shares(device, blank.t_ns, used, running);
        let figures = &self.figures;
        GpuSample {
            memory_used_bytes: used.or(shares.processes_bytes),
            memory_reserved_bytes: memory.map(|memory| memory.reserved),
            utilization_percent: utilization.map(f64::from),
            memory_controller_percent: controller.map(f64::from),
            power_watts: power,
            power_average_watts: average,
            energy_joules: energy,
            sm_clock_mhz,
            memory_clock_mhz,
            temperature_celsius: figures.within("temperature", heat, plausible::CELSIUS),
            throttle_reasons: reasons.map(words),
            performance_state: state
                .filter(|state| *state != PerformanceState::Unknown)
                .map(|state| state.as_c()),
            pcie_rx_bytes_per_s: rx,
            pcie_tx_bytes_per_s: tx,
            backend_memory_bytes: shares.backend_bytes,
            others_memory_bytes: shares.others_bytes,
            ..blank
        }
    }

    /// Memory in use, unless it is more than there is.
    fn memory(&mut self, device: &Device<'_>) -> Option<MemoryInfo> {
        const NAME: &str = "memory in use";
        let figures = &mut self.figures;
        let memory = figures.given(NAME, device.memory_info());
        memory.filter(|memory| {
            let sum = memory.used.saturating_add(memory.reserved);
            figures.holds(NAME, memory.total, plausible::BYTES)
                && figures.holds(NAME, sum, memory.total)
        })
    }

    /// The counter of energy, joules; what is odd about it beside the power is noted.
    fn energy(&mut self, device: &Device<'_>, t_ns: u64, power: Option<f64>) -> Option<f64> {
        let energy = self
            .figures
            .given("energy", device.total_energy_consumption());
        let energy = energy.map(|millijoules| from_milli(millijoules as f64));
        let energy = self.figures.within("energy", energy, plausible::JOULES);
        if let Some(odd) = self.energy.note(t_ns, energy, power) {
            self.figures.notes.line(format!("{}: {odd}", self.chosen));
        }
        energy
    }

    /// Power and, where it differs from that of the instant, its mean.
    fn power(&mut self, device: &Device<'_>) -> (Option<f64>, Option<f64>) {
        let figures = &mut self.figures;
        if self.gives_powers {
            let (instant, average) = powers(device);
            let instant = figures.given("power", instant).map(from_milli);
            let average = figures.given("mean power", average).map(from_milli);
            return (
                figures.within("power", instant, plausible::WATTS),
                figures.within("mean power", average, plausible::WATTS),
            );
        }
        let power = figures.given("power", device.power_usage()).map(from_milli);
        (figures.within("power", power, plausible::WATTS), None)
    }

    /// Bytes per second into the device, and out of it.
    fn pcie(&mut self, device: &Device<'_>) -> (Option<u64>, Option<u64>) {
        if !self.gives_pcie {
            return (None, None);
        }
        let mut read = |name, counter| {
            let kib = self.figures.given(name, device.pcie_throughput(counter));
            let kib = self.figures.within(name, kib, plausible::KIB_PER_S);
            kib.map(|kib| from_kib(u64::from(kib)))
        };
        (
            read("PCIe receive rate", PcieUtilCounter::Receive),
            read("PCIe send rate", PcieUtilCounter::Send),
        )
    }

    /// Whose memory it is; looked up again once a second, and when another
    /// backend runs.
    fn shares(
        &mut self,
        device: &Device<'_>,
        t_ns: u64,
        used_bytes: Option<u64>,
        running: &RunningBackend,
    ) -> Shares {
        let is_fresh = self
            .shares_ns
            .is_some_and(|at| t_ns < at + PROCESSES_EVERY_NS);
        if is_fresh && self.shares_of == *running {
            return self.shares;
        }
        self.shares_ns = Some(t_ns);
        self.shares_of.clone_from(running);
        let holders = owners::holders(device);
        let holders = self.figures.given("processes", holders).unwrap_or_default();
        let root = running.as_ref().and_then(|(_, pid)| *pid);
        let holders: Vec<_> = holders
            .into_iter()
            .map(|holder| {
                let belongs = root.and_then(|root| owners::belongs(holder.pid, root));
                (holder, belongs)
            })
            .collect();
        if let Some((label, _)) = running {
            for (holder, _) in holders.iter().filter(|(_, own)| *own == Some(false)) {
                self.figures
                    .notes
                    .line(stranger(self.chosen, label, holder));
            }
        }
        self.shares = owners::share(&holders, used_bytes);
        if used_bytes.is_none() && self.shares.processes_bytes.is_some() {
            self.figures.notes.line(format!(
                "{} reports no memory of its own: its memory in use is the sum over its processes",
                self.chosen
            ));
        }
        self.shares
    }
}

fn stranger(chosen: Chosen, label: &str, holder: &owners::Holder) -> String {
    let name = owners::name(holder.pid);
    let held = holder.bytes.map(inferbench_model::text::number::bytes);
    let held = held.map(|held| format!(" with {held}")).unwrap_or_default();
    format!("{chosen}: {name} was on it{held} while {label} ran, and is none of its processes")
}

fn words(reasons: ThrottleReasons) -> Vec<String> {
    let names = REASONS
        .iter()
        .filter(|(reason, _)| reasons.contains(*reason));
    names.map(|(_, word)| (*word).to_owned()).collect()
}

type Milliwatts = Result<u32, NvmlError>;

/// Power at the instant and its mean, in thousandths of a watt.
fn powers(device: &Device<'_>) -> (Milliwatts, Milliwatts) {
    let fields = [NVML_FI_DEV_POWER_INSTANT, NVML_FI_DEV_POWER_AVERAGE].map(FieldId);
    let values = device.field_values_for(&fields);
    let mut values = values
        .unwrap_or_default()
        .into_iter()
        .map(|sample| match sample?.value? {
            SampleValue::U32(milliwatts) => Ok(milliwatts),
            _ => Err(NvmlError::NotSupported),
        });
    let mut next = || values.next().unwrap_or(Err(NvmlError::NotSupported));
    (next(), next())
}

/// Whether it gives power at the instant apart from the mean. A zero is what
/// cards give that know neither.
fn gives_powers(device: &Device<'_>) -> bool {
    let (instant, average) = powers(device);
    instant.is_ok_and(|instant| instant > 0) && average.is_ok()
}

fn gives_pcie_at_once(device: &Device<'_>) -> bool {
    let began_ns = now_ns();
    device.pcie_throughput(PcieUtilCounter::Receive).is_ok()
        && now_ns().saturating_sub(began_ns) < CHEAP_NS
}
