//! Metrics of what the load cost the hardware, out of the figures that
//! [`crate::hardware`] made of the samples. A new one is a row of [`HARDWARE`].

use super::metric::{Better, Metric, Values};
use crate::hardware::{CellHardware, MemoryPeaks};

/// In the order of tables and pages.
pub(super) static HARDWARE: &[Metric] = &[
    Metric {
        name: "gpu_energy_joules",
        label: "GPU energy",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the GPUs over the measured window.",
        formula: "sum over GPUs of what the energy counter rose by where it fits the GPU's own power, else of the integral of power; null if a GPU that gives one elsewhere gives none here",
        source: "`nvmlDeviceGetTotalEnergyConsumption`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.gpu_energy.as_ref()?.joules),
    },
    Metric {
        name: "gpu_energy_joules_per_output_token",
        label: "GPU energy per output token",
        unit: "joules",
        better: Better::Lower,
        what: "Energy of the GPUs per output token, idle power included.",
        formula: "gpu_energy_joules / output tokens in the window",
        source: "ML.ENERGY's energy per token; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(hardware.gpu_energy.as_ref()?.joules, served.output_tokens)
        }),
    },
    Metric {
        name: "gpu_energy_above_idle_joules_per_output_token",
        label: "GPU energy per output token above idle",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the GPUs per output token, without what they drew before the first start of a backend.",
        formula: "(gpu_energy_joules - idle power * length of the window) / output tokens in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(
                hardware.gpu_energy.as_ref()?.above_idle_joules,
                served.output_tokens,
            )
        }),
    },
    Metric {
        name: "gpu_energy_joules_per_request",
        label: "GPU energy per request",
        unit: "joules",
        better: Better::Lower,
        what: "Energy of the GPUs per completed request, idle power included.",
        formula: "gpu_energy_joules / requests that succeeded and ended in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(hardware.gpu_energy.as_ref()?.joules, served.requests)
        }),
    },
    Metric {
        name: "gpu_output_tokens_per_s_per_watt",
        label: "Output tokens per second and watt",
        unit: "tokens/s/watt",
        better: Better::Higher,
        what: "Output tokens per second for each watt of the GPUs.",
        formula: "(output tokens in the window / its length) / (gpu_energy_joules / its length)",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(served.output_tokens, hardware.gpu_energy.as_ref()?.joules)
        }),
    },
    Metric {
        name: "gpu_power_mean_watts",
        label: "GPU power",
        unit: "watts",
        better: Better::Neither,
        what: "Power of the GPUs, on average over the measured window.",
        formula: "gpu_energy_joules / length of the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(hardware.gpu_energy.as_ref()?.joules, served.window_s)
        }),
    },
    Metric {
        name: "gpu_utilization_mean_percent",
        label: "GPU utilisation",
        unit: "percent",
        better: Better::Neither,
        what: "Share of time in which a kernel ran, on average over the window and over the GPUs that report it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetUtilizationRates`, gpu; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| mean_of_gpus(hardware, "utilization_percent")),
    },
    Metric {
        name: "gpu_memory_controller_mean_percent",
        label: "GPU memory controller",
        unit: "percent",
        better: Better::Neither,
        what: "Share of time in which device memory was read or written, on average over the window and over the GPUs that report it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetUtilizationRates`, memory; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| {
            mean_of_gpus(hardware, "memory_controller_percent")
        }),
    },
    Metric {
        name: "gpu_sm_clock_mean_mhz",
        label: "GPU clock",
        unit: "mhz",
        better: Better::Neither,
        what: "Clock of the streaming multiprocessors, on average over the window and over the GPUs that report it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetClockInfo`, SM; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| mean_of_gpus(hardware, "sm_clock_mhz")),
    },
    Metric {
        name: "gpu_temperature_max_celsius",
        label: "GPU temperature",
        unit: "celsius",
        better: Better::Neither,
        what: "Highest temperature of a GPU in the window.",
        formula: "largest over GPUs and readings",
        source: "`nvmlDeviceGetTemperature`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| {
            hardware
                .of_gpus("temperature_celsius")
                .filter_map(|figure| figure.max)
                .reduce(f64::max)
        }),
    },
    Metric {
        name: "gpu_throttled_s",
        label: "GPU throttled",
        unit: "s",
        better: Better::Neither,
        what: "Time in the window in which a GPU was throttled, summed over the GPUs that report it.",
        formula: "sum over GPUs of the time from each reading with a reason that throttles to the next",
        source: "`nvmlDeviceGetCurrentClocksEventReasons`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| {
            sum(hardware.gpus.iter().filter_map(|gpu| gpu.throttled_s))
        }),
    },
    Metric {
        name: "gpu_memory_peak_bytes",
        label: "GPU memory",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs during the cell, warm-up included.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| memory(hardware, |peaks| peaks.load_bytes)),
    },
    Metric {
        name: "gpu_memory_startup_peak_bytes",
        label: "GPU memory while starting",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs from the start of the backend to its first cell.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| memory(hardware, |peaks| peaks.startup_bytes)),
    },
    Metric {
        name: "gpu_memory_idle_bytes",
        label: "GPU memory before",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs before the first start of a backend.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| memory(hardware, |peaks| peaks.idle_bytes)),
    },
    Metric {
        name: "backend_cpu_mean_percent",
        label: "CPU of the backend",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of the backend's process tree, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`/proc/PID/stat`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.of_host("backend_cpu_percent")?.mean),
    },
    Metric {
        name: "client_cpu_mean_percent",
        label: "CPU of InferBench",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of InferBench, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`CLOCK_PROCESS_CPUTIME_ID`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.of_host("client_cpu_percent")?.mean),
    },
    Metric {
        name: "host_cpu_mean_percent",
        label: "CPU of the machine",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of the whole machine, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`/proc/stat`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.of_host("host_cpu_percent")?.mean),
    },
    Metric {
        name: "backend_rss_peak_bytes",
        label: "Resident memory of the backend",
        unit: "bytes",
        better: Better::Neither,
        what: "Most resident memory of the backend's process tree during the cell; pages that processes share count for each.",
        formula: "largest reading",
        source: "`/proc/PID/stat`, rss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| bytes(hardware.host.memory.load_bytes)),
    },
    Metric {
        name: "backend_rss_startup_peak_bytes",
        label: "Resident memory while starting",
        unit: "bytes",
        better: Better::Neither,
        what: "Most resident memory of the backend's process tree from its start to its first cell.",
        formula: "largest reading",
        source: "`/proc/PID/stat`, rss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| bytes(hardware.host.memory.startup_bytes)),
    },
    Metric {
        name: "backend_pss_max_bytes",
        label: "Proportional memory of the backend",
        unit: "bytes",
        better: Better::Neither,
        what: "Most proportional memory of the backend's process tree in the window: pages that processes share are divided among them.",
        formula: "largest reading, taken at a slower rate",
        source: "`/proc/PID/smaps_rollup`, Pss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.of_host("backend_pss_bytes")?.max),
    },
    Metric {
        name: "cpu_energy_joules",
        label: "CPU energy",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the CPU packages over the measured window, other programs included.",
        formula: "what their counters rose by, interpolated at the window's edges",
        source: "Linux powercap, `energy_uj`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, _| hardware.host.cpu_energy.joules),
    },
    Metric {
        name: "cpu_energy_joules_per_output_token",
        label: "CPU energy per output token",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the CPU packages per output token, idle power and other programs included.",
        formula: "cpu_energy_joules / output tokens in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(|hardware, served| {
            ratio(hardware.host.cpu_energy.joules, served.output_tokens)
        }),
    },
];

/// One figure per another; `None` if either is missing or the other is not
/// above 0.
fn ratio(of: Option<f64>, per: Option<f64>) -> Option<f64> {
    Some(of? / per.filter(|per| *per > 0.0)?)
}

/// Sum; `None` of nothing.
fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|sum, value| sum + value)
}

/// Mean of a series' means over the GPUs that have one.
fn mean_of_gpus(hardware: &CellHardware, series: &str) -> Option<f64> {
    let means = hardware.of_gpus(series).filter_map(|figure| figure.mean);
    let means: Vec<f64> = means.collect();
    ratio(sum(means.iter().copied()), Some(means.len() as f64))
}

/// Sum over the GPUs that report their memory.
fn memory(hardware: &CellHardware, peak: fn(&MemoryPeaks) -> Option<u64>) -> Option<f64> {
    let peaks = hardware.gpus.iter().filter_map(|gpu| peak(&gpu.memory));
    sum(peaks.map(|bytes| bytes as f64))
}

fn bytes(count: Option<u64>) -> Option<f64> {
    count.map(|bytes| bytes as f64)
}
