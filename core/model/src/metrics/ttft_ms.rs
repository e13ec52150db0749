//! Time to first token: how long a reader waits until the answer begins.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 10,
        name: "ttft_ms",
        unit: "ms",
        better: Better::Lower,
        what: "Time to first token: how long a reader waits until the answer begins.",
        formula: "first output event - sent",
        source: "The field's common TTFT. Role-only, empty and usage-only events are no output; connecting is not in it.",
        values: Values::PerRequest(|record| record.ttft_ms),
    }
}
