//! Energy of the CPU packages over the measured window, other programs included.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 240,
        name: "cpu_energy_joules",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the CPU packages over the measured window, other programs included.",
        formula: "what their counters rose by, interpolated at the window's edges",
        source: "Linux powercap, `energy_uj`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.host.cpu_energy.joules
}
