//! How late the client sent: its own delay.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 70,
        name: "send_lag_ms",
        unit: "ms",
        better: Better::Lower,
        what: "How late the client sent: its own delay.",
        formula: "sent - scheduled",
        source: "Open loop only.",
        values: Values::PerRequest(|record| record.send_lag_ms),
    }
}
