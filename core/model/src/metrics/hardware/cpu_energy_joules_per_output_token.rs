//! Energy of the CPU packages per output token, idle power and other programs included.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 241,
        name: "cpu_energy_joules_per_output_token",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the CPU packages per output token, idle power and other programs included.",
        formula: "cpu_energy_joules / output tokens in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(hardware.host.cpu_energy.joules, served.output_tokens)
}
