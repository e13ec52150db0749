//! Most memory in use on the GPUs from the start of the backend to its first cell.

use super::memory;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 221,
        name: "gpu_memory_startup_peak_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs from the start of the backend to its first cell.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    memory(hardware, |peaks| peaks.startup_bytes)
}
