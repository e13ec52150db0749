//! Energy of the GPUs over the measured window.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 200,
        name: "gpu_energy_joules",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the GPUs over the measured window.",
        formula: "sum over GPUs of what the energy counter rose by, else of the integral of power; null if a GPU that gives one elsewhere gives none here",
        source: "`nvmlDeviceGetTotalEnergyConsumption`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.gpu_energy.as_ref()?.joules
}
