//! Highest temperature of a GPU in the window.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 213,
        name: "gpu_temperature_max_celsius",
        unit: "celsius",
        better: Better::Neither,
        what: "Highest temperature of a GPU in the window.",
        formula: "largest over GPUs and readings",
        source: "`nvmlDeviceGetTemperature`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware
        .of_gpus("temperature_celsius")
        .filter_map(|figure| figure.max)
        .reduce(f64::max)
}
