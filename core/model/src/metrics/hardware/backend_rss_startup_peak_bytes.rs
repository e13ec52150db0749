//! Most resident memory of the backend's process tree from its start to its first cell.

use super::bytes;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 234,
        name: "backend_rss_startup_peak_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most resident memory of the backend's process tree from its start to its first cell.",
        formula: "largest reading",
        source: "`/proc/PID/stat`, rss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    bytes(hardware.host.memory.startup_bytes)
}
