//! Speed at which one reader sees tokens.

use super::{Better, Metric, Values};

inventory::submit! {
    Metric {
        order: 90,
        name: "per_user_token_rate",
        unit: "tokens/s",
        better: Better::Higher,
        what: "Speed at which one reader sees tokens.",
        formula: "1000 / tpot_ms",
        source: "Interactivity in InferenceMAX; output speed in Artificial Analysis's terms.",
        values: Values::PerRequest(|record| record.tpot_ms.filter(|ms| *ms > 0.0).map(|ms| 1000.0 / ms)),
    }
}
