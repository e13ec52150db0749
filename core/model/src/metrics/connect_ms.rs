//! Time to open a connection: name look-up, TCP and TLS.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 80,
        name: "connect_ms",
        unit: "ms",
        better: Better::Neither,
        what: "Time to open a connection: name look-up, TCP and TLS.",
        formula: "connected - connecting began, for the first request over each connection",
        source: "Never part of any latency.",
        values: Values::PerRequest(|record| record.connect_ms),
    }
}
