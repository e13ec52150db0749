//! Requests in flight, on average over the measured window.

use super::{Better, Load, Metric, Over, PerCell, Values};
use crate::facts::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 5,
        name: "achieved_concurrency",
        unit: "requests",
        better: Better::Neither,
        what: "Requests in flight, on average over the measured window.",
        formula: "sum over requests of the time between sent and end that lies in the window / length of the window",
        source: "Little's law; below the asked concurrency, something else held the load back.",
        values: Values::PerCell(PerCell { of: busy_s, over: Over::Window }),
    }
}

fn busy_s(load: &Load, record: &RequestRecord) -> Option<f64> {
    let window = load.window?;
    Some(
        record
            .sent_ns
            .map_or(0.0, |sent_ns| window.overlap_s(sent_ns, record.end_ns)),
    )
}
