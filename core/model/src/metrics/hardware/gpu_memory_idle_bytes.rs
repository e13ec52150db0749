//! Most memory in use on the GPUs before the first start of a backend.

use super::memory;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 222,
        name: "gpu_memory_idle_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most memory in use on the GPUs before the first start of a backend.",
        formula: "sum over GPUs of the largest reading of each",
        source: "`nvmlDeviceGetMemoryInfo_v2`, used; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    memory(hardware, |peaks| peaks.idle_bytes)
}
