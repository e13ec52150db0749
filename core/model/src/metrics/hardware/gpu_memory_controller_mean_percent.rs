//! Share of time in which device memory was read or written, on average over the window and over the GPUs that tell it.

use super::mean_of_gpus;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 211,
        name: "gpu_memory_controller_mean_percent",
        unit: "percent",
        better: Better::Neither,
        what: "Share of time in which device memory was read or written, on average over the window and over the GPUs that tell it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetUtilizationRates`, memory; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    mean_of_gpus(hardware, "memory_controller_percent")
}
