//! Most proportional memory of the backend's process tree in the window: pages that processes share are divided among them.

use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 235,
        name: "backend_pss_max_bytes",
        unit: "bytes",
        better: Better::Neither,
        what: "Most proportional memory of the backend's process tree in the window: pages that processes share are divided among them.",
        formula: "largest reading, taken at a slower rate",
        source: "`/proc/PID/smaps_rollup`, Pss; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    hardware.of_host("backend_pss_bytes")?.max
}
