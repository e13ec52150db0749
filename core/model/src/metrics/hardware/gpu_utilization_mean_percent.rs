//! Share of time in which a kernel ran, on average over the window and over the GPUs that tell it.

use super::mean_of_gpus;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 210,
        name: "gpu_utilization_mean_percent",
        unit: "percent",
        better: Better::Neither,
        what: "Share of time in which a kernel ran, on average over the window and over the GPUs that tell it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetUtilizationRates`, gpu; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    mean_of_gpus(hardware, "utilization_percent")
}
