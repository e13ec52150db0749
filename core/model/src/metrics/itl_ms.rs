//! Inter-token latency: every gap between neighbouring output events.

use super::{Better, Metric, Pooled, Values};
use crate::facts::record::RequestRecord;
use crate::stats::packed::Packed;
use crate::text::units::{NS_PER_MS, signed_ns_of_ms};

inventory::submit! {
    Metric {
        order: 30,
        name: "itl_ms",
        unit: "ms",
        better: Better::Lower,
        what: "Inter-token latency: every gap between neighbouring output events.",
        formula: "gaps between neighbouring output events, pooled over requests",
        source: "vLLM's ITL. A gap is a gap between events, which carry several tokens with some servers: see tokens_per_event and decode_ms_per_token.",
        values: Values::Pooled(Pooled { each: gaps_ns, per_unit: NS_PER_MS }),
    }
}

fn gaps_ns(record: &RequestRecord, pool: &mut Packed) {
    for gap in &record.itl_ms {
        pool.push(signed_ns_of_ms(*gap));
    }
}
