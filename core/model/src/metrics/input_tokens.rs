//! Prompt length as the server counts it.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 100,
        name: "input_tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Prompt length as the server counts it.",
        formula: "the server's usage; absent if it does not tell",
        source: "Never the length that was asked for.",
        values: Values::PerRequest(|record| record.input_tokens.map(f64::from)),
    }
}
