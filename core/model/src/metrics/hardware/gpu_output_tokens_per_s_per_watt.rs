//! Output tokens per second for each watt of the GPUs.

use super::ratio;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 204,
        name: "gpu_output_tokens_per_s_per_watt",
        unit: "tokens/s/watt",
        better: Better::Higher,
        what: "Output tokens per second for each watt of the GPUs.",
        formula: "(output tokens in the window / its length) / (gpu_energy_joules / its length)",
        source: "[Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, served: &Served) -> Option<f64> {
    ratio(served.output_tokens, hardware.gpu_energy.as_ref()?.joules)
}
