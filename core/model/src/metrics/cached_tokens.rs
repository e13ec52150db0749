//! Prompt tokens that came from the prefix cache.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 120,
        name: "cached_tokens",
        unit: "tokens",
        better: Better::Neither,
        what: "Prompt tokens that came from the prefix cache.",
        formula: "the server's usage; absent if it does not tell",
        source: "prompt_tokens_details.cached_tokens of OpenAI's usage object.",
        values: Values::PerRequest(|record| record.cached_tokens.map(f64::from)),
    }
}
