//! The facts that are read at fixed times: one sample per GPU, per host and per reading of
//! a server's own metrics.

pub use inferbench_contract::Evidence;
use serde::{Deserialize, Serialize};

/// One reading of one GPU. A figure the device does not give is null, for that
/// device alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuSample {
    /// Monotonic time at which the reading began.
    pub t_ns: u64,
    /// Index in NVML's order.
    pub index: u32,
    /// Index of the MIG instance on that device; absent for the whole device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<u32>,
    /// Memory in use on the device, without what the driver reserves where that
    /// is reported apart. Where the device reports none: the sum over its
    /// processes.
    pub memory_used_bytes: Option<u64>,
    /// Memory that the driver and the firmware keep for themselves.
    pub memory_reserved_bytes: Option<u64>,
    /// Share of time in which a kernel ran, 0 to 100.
    pub utilization_percent: Option<f64>,
    /// Share of time in which the device's memory was read or written, 0 to 100.
    pub memory_controller_percent: Option<f64>,
    /// Power draw: at this instant, or the mean over a second on a card that
    /// reports only one of them.
    pub power_watts: Option<f64>,
    /// Power draw as the mean over about a second, where the card reports it.
    pub power_average_watts: Option<f64>,
    /// Energy since the driver was loaded.
    pub energy_joules: Option<f64>,
    /// Clock of the streaming multiprocessors.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory.
    pub memory_clock_mhz: Option<u32>,
    /// Temperature of the chip.
    pub temperature_celsius: Option<u32>,
    /// Why its clocks are lower than they could be, in NVML's words; empty if
    /// they are not: `gpu_idle` and the user's own settings
    /// (`applications_clocks_setting`, `sync_boost`, `display_clock_setting`),
    /// and what throttles it (`sw_power_cap`, `hw_slowdown`,
    /// `hw_thermal_slowdown`, `sw_thermal_slowdown`, `hw_power_brake_slowdown`).
    pub throttle_reasons: Option<Vec<String>>,
    /// Performance state, 0 (fastest) to 15.
    pub performance_state: Option<u32>,
    /// Bytes that came in over PCIe, per second.
    pub pcie_rx_bytes_per_s: Option<u64>,
    /// Bytes that went out over PCIe, per second.
    pub pcie_tx_bytes_per_s: Option<u64>,
    /// Memory of the backend's processes on this device, looked at once a second.
    pub backend_memory_bytes: Option<u64>,
    /// Memory in use on this device that is not the backend's, looked at once a
    /// second.
    pub others_memory_bytes: Option<u64>,
    /// How long the reading took, us.
    pub read_us: Option<u64>,
}

/// One reading of the host and of the process trees that matter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSample {
    /// Monotonic time of the reading.
    pub t_ns: u64,
    /// Label of the backend that runs; absent between backends.
    pub backend: Option<String>,
    /// CPU of the backend's process tree since the last sample, 100 per core.
    pub backend_cpu_percent: Option<f64>,
    /// Resident memory of the backend's process tree.
    pub backend_rss_bytes: Option<u64>,
    /// Its memory with shared pages divided among those who share them; read at
    /// a rate of its own, see `pss_every_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_pss_bytes: Option<u64>,
    /// CPU of InferBench since the last sample, 100 per core.
    pub client_cpu_percent: Option<f64>,
    /// Resident memory of InferBench.
    pub client_rss_bytes: Option<u64>,
    /// The same with shared pages divided, read like `backend_pss_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_pss_bytes: Option<u64>,
    /// Time until the next reading of what is shared, in a sample that has one.
    /// A sample without it has not read it: nothing follows from its absence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pss_every_ms: Option<u64>,
    /// CPU of the whole machine since the last sample, 100 per core.
    pub host_cpu_percent: Option<f64>,
    /// Memory that programs could still get.
    pub memory_available_bytes: Option<u64>,
    /// Mean of runnable tasks over one minute.
    pub load_1m: Option<f64>,
    /// Energy of all CPU packages since the sampler's start, where the kernel
    /// lets it be read.
    #[serde(default)]
    pub cpu_energy_joules: Option<f64>,
}

/// What a backend reported about itself at one moment. Null where it did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSample {
    /// Monotonic time of the reading.
    pub t_ns: u64,
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// What it reported.
    #[serde(flatten)]
    pub evidence: Evidence,
}
