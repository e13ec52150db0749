//! Energy of the GPUs per completed request, idle power included.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 203,
        name: "gpu_energy_joules_per_request",
        unit: "joules",
        better: Better::Lower,
        what: "Energy of the GPUs per completed request, idle power included.",
        formula: "gpu_energy_joules / requests that succeeded and ended in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(hardware.gpu_energy.as_ref()?.joules, served.requests)
}
