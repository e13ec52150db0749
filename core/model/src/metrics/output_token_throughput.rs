//! Output tokens per second under steady load.

use super::{Better, CellInput, Metric, Values};

inventory::submit! {
    Metric {
        order: 1,
        name: "output_token_throughput",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Output tokens per second under steady load.",
        formula: "output tokens of successful requests that arrived inside the measured window / length of the window",
        source: "Steady-state figure; ramp-up and ramp-down are outside it. Where the server does not count per event, a request's tokens are spread evenly over its events.",
        values: Values::PerCell(value),
    }
}

fn value(input: &CellInput<'_>) -> Option<f64> {
    let window = input.window?;
    let mut tokens = 0.0;
    for record in input.records.iter().filter(|record| record.is_ok()) {
        tokens += window.tokens_of(record)?;
    }
    Some(tokens / window.length_s())
}
