//! Most resident memory of the backend's process tree during the cell; pages that processes share count for each.

use super::bytes;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 233,
        name: "backend_rss_peak_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most resident memory of the backend's process tree during the cell; pages that processes share count for each.",
        formula: "largest reading",
        source: "`/proc/PID/stat`, rss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    bytes(hardware.host.memory.load_bytes)
}
