//! Metrics of what the load cost the hardware: one value per cell, out of the
//! figures that `crate::hardware` made of the samples.

mod backend_cpu_mean_percent;
mod backend_pss_max_bytes;
mod backend_rss_peak_bytes;
mod backend_rss_startup_peak_bytes;
mod client_cpu_mean_percent;
mod cpu_energy_joules;
mod cpu_energy_joules_per_output_token;
mod gpu_energy_above_idle_joules_per_output_token;
mod gpu_energy_joules;
mod gpu_energy_joules_per_output_token;
mod gpu_energy_joules_per_request;
mod gpu_memory_controller_mean_percent;
mod gpu_memory_idle_bytes;
mod gpu_memory_peak_bytes;
mod gpu_memory_startup_peak_bytes;
mod gpu_output_tokens_per_s_per_watt;
mod gpu_power_mean_watts;
mod gpu_sm_clock_mean_mhz;
mod gpu_temperature_max_celsius;
mod gpu_throttled_s;
mod gpu_utilization_mean_percent;
mod host_cpu_mean_percent;

use crate::hardware::{CellHardware, MemoryPeaks};

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

/// Sum over the GPUs that tell their memory.
fn memory(hardware: &CellHardware, peak: fn(&MemoryPeaks) -> Option<u64>) -> Option<f64> {
    let peaks = hardware.gpus.iter().filter_map(|gpu| peak(&gpu.memory));
    sum(peaks.map(|bytes| bytes as f64))
}

fn bytes(count: Option<u64>) -> Option<f64> {
    count.map(|bytes| bytes as f64)
}
