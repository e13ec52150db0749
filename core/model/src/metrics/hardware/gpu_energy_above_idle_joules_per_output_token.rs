//! Energy of the GPUs per output token, without what they drew before the first start of a backend.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 202,
        name: "gpu_energy_above_idle_joules_per_output_token",
        unit: "joules",
        better: Better::Neither,
        what: "Energy of the GPUs per output token, without what they drew before the first start of a backend.",
        formula: "(gpu_energy_joules - idle power * length of the window) / output tokens in the window",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(
        hardware.gpu_energy.as_ref()?.above_idle_joules,
        served.output_tokens,
    )
}
