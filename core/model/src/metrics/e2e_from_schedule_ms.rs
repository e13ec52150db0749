//! End-to-end latency from the planned send time of an open loop.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 60,
        name: "e2e_from_schedule_ms",
        unit: "ms",
        better: Better::Lower,
        what: "End-to-end latency from the planned send time of an open loop.",
        formula: "last output event - scheduled",
        source: "Holds the wait that a late send hides (coordinated omission).",
        values: Values::PerRequest(|record| record.e2e_from_schedule_ms),
    }
}
