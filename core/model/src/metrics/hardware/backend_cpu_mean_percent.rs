//! CPU of the backend's process tree, 100 per core, on average over the window.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 230,
        name: "backend_cpu_mean_percent",
        unit: "percent",
        better: Better::Neither,
        what: "CPU of the backend's process tree, 100 per core, on average over the window.",
        formula: "CPU time between samples, cut to the window / its length",
        source: "`/proc/PID/stat`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.of_host("backend_cpu_percent")?.mean
}
