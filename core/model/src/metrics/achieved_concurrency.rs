//! Requests in flight, on average over the measured window.

use super::{Better, CellInput, Metric, Values};

inventory::submit! {
    Metric {
        order: 5,
        name: "achieved_concurrency",
        unit: "requests",
        better: Better::Neither,
        what: "Requests in flight, on average over the measured window.",
        formula: "sum over requests of the time between sent and end that lies in the window / length of the window",
        source: "Little's law; below the asked concurrency, something else held the load back.",
        values: Values::PerCell(value),
    }
}

fn value(input: &CellInput<'_>) -> Option<f64> {
    let window = input.window?;
    let busy_s: f64 = input
        .records
        .iter()
        .filter_map(|record| Some(window.overlap_s(record.sent_ns?, record.end_ns)))
        .sum();
    Some(busy_s / window.length_s())
}
