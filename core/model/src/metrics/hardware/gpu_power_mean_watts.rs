//! Power of the GPUs, on average over the measured window.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 205,
        name: "gpu_power_mean_watts",
        unit: "watts",
        better: Better::Neither,
        what: "Power of the GPUs, on average over the measured window.",
        formula: "gpu_energy_joules / length of the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(hardware.gpu_energy.as_ref()?.joules, served.window_s)
}
