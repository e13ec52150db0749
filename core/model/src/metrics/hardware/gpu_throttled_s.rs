//! Time in the window in which a GPU was throttled, summed over the GPUs that tell it.

use super::sum;
use crate::hardware::{CellHardware, Served};
use crate::metrics::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 214,
        name: "gpu_throttled_s",
        unit: "s",
        better: Better::Neither,
        what: "Time in the window in which a GPU was throttled, summed over the GPUs that tell it.",
        formula: "sum over GPUs of the time from each reading with a reason that throttles to the next",
        source: "`nvmlDeviceGetCurrentClocksEventReasons`; [Hardware](../concepts/hardware.md).",
        values: Values::OfHardware(value),
    }
}

fn value(hardware: &CellHardware, _: &Served) -> Option<f64> {
    sum(hardware.gpus.iter().filter_map(|gpu| gpu.throttled_s))
}
