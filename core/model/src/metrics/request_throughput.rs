//! Requests completed per second under steady load.

use super::{Better, CellInput, Metric, Values};

inventory::submit! {
    Metric {
        order: 3,
        name: "request_throughput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Requests completed per second under steady load.",
        formula: "successful requests that ended inside the measured window / length of the window",
        source: "Failed requests are not throughput.",
        values: Values::PerCell(value),
    }
}

fn value(input: &CellInput<'_>) -> Option<f64> {
    let window = input.window?;
    Some(input.completed_in_window(window).count() as f64 / window.length_s())
}
