//! Inter-token latency: every gap between neighbouring output events.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 30,
        name: "itl_ms",
        unit: "ms",
        better: Better::Lower,
        what: "Inter-token latency: every gap between neighbouring output events.",
        formula: "gaps between neighbouring output events, pooled over requests",
        source: "vLLM's ITL. A gap is a gap between events, which carry several tokens with some servers: see tokens_per_event and decode_ms_per_token.",
        values: Values::Pooled(|record| record.itl_ms.clone()),
    }
}
