//! Most memory in use on the GPUs during the cell, warm-up included.

use super::memory;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 220,
        name: "gpu_memory_peak_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs during the cell, warm-up included.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    memory(hardware, |peaks| peaks.load_bytes)
}
