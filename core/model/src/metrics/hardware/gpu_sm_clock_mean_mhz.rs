//! Clock of the streaming multiprocessors, on average over the window and over the GPUs that tell it.

use super::mean_of_gpus;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 212,
        name: "gpu_sm_clock_mean_mhz",
        unit: "mhz",
        better: Better::Neither,
        what: "Clock of the streaming multiprocessors, on average over the window and over the GPUs that tell it.",
        formula: "mean over GPUs of the mean of the line through the readings",
        source: "`nvmlDeviceGetClockInfo`, SM; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    mean_of_gpus(hardware, "sm_clock_mhz")
}
