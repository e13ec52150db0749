//! Output tokens per second under steady load.

use super::{Better, Load, Metric, Over, PerCell, Values};
use crate::facts::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 1,
        name: "output_token_throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second under steady load.",
        formula: "output tokens of successful requests that arrived inside the measured window / length of the window",
        source: "Steady-state figure; ramp-up and ramp-down are outside it. Where the server does not count per event, a request's tokens are spread evenly over its events.",
        values: Values::PerCell(PerCell { of: tokens, over: Over::Window }),
    }
}

fn tokens(load: &Load, record: &RequestRecord) -> Option<f64> {
    if record.is_ok() {
        load.window?.tokens_of(record)
    } else {
        Some(0.0)
    }
}
