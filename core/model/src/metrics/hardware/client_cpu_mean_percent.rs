//! CPU of InferBench, 100 per core, on average over the window.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 231,
        name: "client_cpu_mean_percent",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of InferBench, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`CLOCK_PROCESS_CPUTIME_ID`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.of_host("client_cpu_percent")?.mean
}
