//! End-to-end latency of a request.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 50,
        name: "e2e_latency_ms",
        unit: "ms",
        better: Better::Lower,
        what: "End-to-end latency of a request.",
        formula: "last output event - sent",
        source: "The last output event ends it, not usage, end marker or close.",
        values: Values::PerRequest(|record| record.e2e_latency_ms),
    }
}
