//! Output tokens per second over the whole cell, ramp-up and ramp-down included.

use super::{Better, CellInput, Metric, Values};
use crate::units::s_between;

inventory::submit! {
    Metric {
        order: 2,
        name: "overall_token_throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second over the whole cell, ramp-up and ramp-down included.",
        formula: "output tokens of all successful requests / (last end - first send)",
        source: "What most tools call output throughput; one long last request can halve it.",
        values: Values::PerCell(value),
    }
}

fn value(input: &CellInput<'_>) -> Option<f64> {
    let ok = input.records.iter().filter(|record| record.is_ok());
    let tokens: f64 = ok
        .map(|record| record.output_tokens.map(f64::from))
        .sum::<Option<f64>>()?;
    let first = input.records.iter().filter_map(|r| r.sent_ns).min()?;
    let last = input.records.iter().map(|r| r.end_ns).max()?;
    Some(tokens / s_between(first, last))
}
