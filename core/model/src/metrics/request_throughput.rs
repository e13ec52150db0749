//! Requests completed per second under steady load.

use super::{Better, Load, Metric, Over, PerCell, Values};
use crate::facts::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 3,
        name: "request_throughput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Requests completed per second under steady load.",
        formula: "successful requests that ended inside the measured window / length of the window",
        source: "Failed requests are not throughput.",
        values: Values::PerCell(PerCell { of: completed, over: Over::Window }),
    }
}

fn completed(load: &Load, record: &RequestRecord) -> Option<f64> {
    Some(f64::from(load.completed(record)))
}
