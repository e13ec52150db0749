//! Tokens that one output event carries.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 130,
        name: "tokens_per_event",
        unit: "tokens",
        better: Better::Neither,
        what: "Tokens that one output event carries.",
        formula: "difference of the server's cumulative counts between neighbouring output events; absent if it does not count per event",
        source: "1 on a server that streams token by token; more with speculative decoding, stream intervals or coalescing.",
        values: Values::Pooled(|record| record.tokens_per_event.iter().flatten().map(|n| f64::from(*n)).collect()),
    }
}
