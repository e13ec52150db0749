//! The series that are drawn out of each kind of sample.

use crate::facts::samples::{Evidence, GpuSample, HostSample};

/// One series of a kind of sample.
pub(super) struct Series<S> {
    /// Name of the field it is read from.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    pub(super) of: fn(&S) -> Option<f64>,
    pub(super) kind: Kind,
}

/// What time a reading is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value at its time; a straight line joins it to the next.
    AtOnce,
    /// The mean since the sample before.
    Since,
    /// As `AtOnce`, but read at a slower rate of its own.
    Slow,
}

const fn at_once<S>(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    of: fn(&S) -> Option<f64>,
) -> Series<S> {
    let kind = Kind::AtOnce;
    Series {
        name,
        label,
        unit,
        of,
        kind,
    }
}

const fn since<S>(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    of: fn(&S) -> Option<f64>,
) -> Series<S> {
    let kind = Kind::Since;
    Series {
        kind,
        ..at_once(name, label, unit, of)
    }
}

const fn slow<S>(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    of: fn(&S) -> Option<f64>,
) -> Series<S> {
    let kind = Kind::Slow;
    Series {
        kind,
        ..at_once(name, label, unit, of)
    }
}

fn whole(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

/// What is drawn out of a GPU's samples.
pub(super) const GPU: [Series<GpuSample>; 15] = [
    at_once("memory_used_bytes", "Memory used", "bytes", |s| {
        whole(s.memory_used_bytes)
    }),
    at_once("memory_reserved_bytes", "Memory reserved", "bytes", |s| {
        whole(s.memory_reserved_bytes)
    }),
    at_once(
        "backend_memory_bytes",
        "Memory of the backend",
        "bytes",
        |s| whole(s.backend_memory_bytes),
    ),
    at_once("others_memory_bytes", "Memory of others", "bytes", |s| {
        whole(s.others_memory_bytes)
    }),
    at_once("utilization_percent", "Utilisation", "percent", |s| {
        s.utilization_percent
    }),
    at_once(
        "memory_controller_percent",
        "Memory controller",
        "percent",
        |s| s.memory_controller_percent,
    ),
    at_once("power_watts", "Power", "watts", |s| s.power_watts),
    at_once("power_average_watts", "Power, average", "watts", |s| {
        s.power_average_watts
    }),
    at_once("sm_clock_mhz", "SM clock", "mhz", |s| {
        s.sm_clock_mhz.map(f64::from)
    }),
    at_once("memory_clock_mhz", "Memory clock", "mhz", |s| {
        s.memory_clock_mhz.map(f64::from)
    }),
    at_once("temperature_celsius", "Temperature", "celsius", |s| {
        s.temperature_celsius.map(f64::from)
    }),
    at_once("performance_state", "Performance state", "1", |s| {
        s.performance_state.map(f64::from)
    }),
    at_once("pcie_rx_bytes_per_s", "PCIe in", "bytes/s", |s| {
        whole(s.pcie_rx_bytes_per_s)
    }),
    at_once("pcie_tx_bytes_per_s", "PCIe out", "bytes/s", |s| {
        whole(s.pcie_tx_bytes_per_s)
    }),
    at_once("read_us", "Time of a reading", "us", |s| whole(s.read_us)),
];

/// Indexes in [`GPU`] of memory and of both powers.
pub(super) const GPU_MEMORY: usize = 0;
pub(super) const GPU_POWERS: [usize; 2] = [6, 7];

/// What is drawn out of the host's samples.
pub(super) const HOST: [Series<HostSample>; 9] = [
    since(
        "backend_cpu_percent",
        "CPU of the backend",
        "percent",
        |s| s.backend_cpu_percent,
    ),
    at_once(
        "backend_rss_bytes",
        "Resident memory of the backend",
        "bytes",
        |s| whole(s.backend_rss_bytes),
    ),
    slow(
        "backend_pss_bytes",
        "Proportional memory of the backend",
        "bytes",
        |s| whole(s.backend_pss_bytes),
    ),
    since("client_cpu_percent", "CPU of InferBench", "percent", |s| {
        s.client_cpu_percent
    }),
    at_once(
        "client_rss_bytes",
        "Resident memory of InferBench",
        "bytes",
        |s| whole(s.client_rss_bytes),
    ),
    slow(
        "client_pss_bytes",
        "Proportional memory of InferBench",
        "bytes",
        |s| whole(s.client_pss_bytes),
    ),
    since("host_cpu_percent", "CPU of the machine", "percent", |s| {
        s.host_cpu_percent
    }),
    at_once("memory_available_bytes", "Memory available", "bytes", |s| {
        whole(s.memory_available_bytes)
    }),
    at_once("load_1m", "Load over 1 min", "1", |s| s.load_1m),
];

/// Index in [`HOST`] of the backend's resident memory.
pub(super) const BACKEND_RSS: usize = 1;

/// The power that follows from the CPU packages' energy counter.
pub(super) const PACKAGE_POWER: Series<HostSample> = since(
    "cpu_package_watts",
    "Power of the CPU packages",
    "watts",
    // It takes two samples.
    |_| None,
);

/// What is drawn out of a backend's own metrics.
pub(super) const SERVER: [Series<Evidence>; 4] = [
    at_once("running_requests", "Running requests", "requests", |e| {
        e.running_requests
    }),
    at_once("waiting_requests", "Waiting requests", "requests", |e| {
        e.waiting_requests
    }),
    at_once("kv_cache_usage_ratio", "KV cache in use", "ratio", |e| {
        e.kv_cache_usage_ratio
    }),
    at_once("preemptions", "Preemptions since start", "1", |e| {
        e.preemptions
    }),
];
