//! Tokens that one output event carries.

use super::{Better, Metric, Pooled, Values};
use crate::facts::record::RequestRecord;
use crate::stats::packed::Packed;

inventory::submit! {
    Metric {
        order: 130,
        name: "tokens_per_event",
        unit: "tokens",
        better: Better::Neither,
        what: "Tokens that one output event carries.",
        formula: "difference of the server's cumulative counts between neighbouring output events; absent if it does not count per event",
        source: "1 on a server that streams token by token; more with speculative decoding, stream intervals or coalescing.",
        values: Values::Pooled(Pooled { each: tokens, per_unit: 1.0 }),
    }
}

fn tokens(record: &RequestRecord, pool: &mut Packed) {
    for n in record.tokens_per_event.iter().flatten() {
        pool.push(i64::from(*n));
    }
}
