//! Output tokens per second over the whole cell, ramp-up and ramp-down included.

use super::{Better, Load, Metric, Over, PerCell, Values};
use crate::facts::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 2,
        name: "overall_token_throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second over the whole cell, ramp-up and ramp-down included.",
        formula: "output tokens of all successful requests / (last end - first send)",
        source: "What most tools call output throughput; one long last request can halve it.",
        values: Values::PerCell(PerCell { of: tokens, over: Over::Cell }),
    }
}

fn tokens(_: &Load, record: &RequestRecord) -> Option<f64> {
    if record.is_ok() {
        record.output_tokens.map(f64::from)
    } else {
        Some(0.0)
    }
}
