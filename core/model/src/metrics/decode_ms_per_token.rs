//! Decode time per token after the first event, right also where events carry several tokens.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 40,
        name: "decode_ms_per_token",
        unit: "ms",
        better: Better::Lower,
        what: "Decode time per token after the first event, right also where events carry several tokens.",
        formula: "(last output event - first output event) / (tokens of the events after the first); absent if the server does not count per event",
        source: "Divides by the tokens that arrived after the first event, where TPOT divides by output_tokens - 1.",
        values: Values::PerRequest(|record| record.decode_ms_per_token),
    }
}
