//! CPU of the whole machine, 100 per core, on average over the window.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 232,
        name: "host_cpu_mean_percent",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of the whole machine, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`/proc/stat`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.of_host("host_cpu_percent")?.mean
}
