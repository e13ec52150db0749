//! Time per output token after the first, one value per request.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 20,
        name: "tpot_ms",
        unit: "ms",
        better: Better::Lower,
        what: "Time per output token after the first, one value per request.",
        formula: "(last output event - first output event) / (output_tokens - 1); absent below 2 tokens",
        source: "vLLM's TPOT; AIPerf calls it inter-token latency. GuideLLM's time per output token includes the first token and differs.",
        values: Values::PerRequest(|record| record.tpot_ms),
    }
}
