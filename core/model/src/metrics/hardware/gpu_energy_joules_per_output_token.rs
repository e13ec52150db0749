//! Energy of the GPUs per output token, idle power included.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 201,
        name: "gpu_energy_joules_per_output_token",
        unit: "joules",
        better: Better::Lower,
        what: "Energy of the GPUs per output token, idle power included.",
        formula: "gpu_energy_joules / output tokens in the window",
        source: "ML.ENERGY's energy per token; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(hardware.gpu_energy.as_ref()?.joules, served.output_tokens)
}
