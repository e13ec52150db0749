//! Answer length as the server counts it.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 110,
        name: "output_tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Answer length as the server counts it.",
        formula: "the server's usage, the largest count seen; absent if it does not tell",
        source: "Never the length that was asked for.",
        values: Values::PerRequest(|record| record.output_tokens.map(f64::from)),
    }
}
