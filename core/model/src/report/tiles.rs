//! The best backend in each of the metrics that a reader asks for first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use crate::metrics::{self, Better};

/// Metrics with a tile, in order.
const HEADLINES: [&str; 4] = ["output_token_throughput", "ttft_ms", "tpot_ms", "goodput"];

/// One headline: the comparison at the level where the best value is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tile {
    /// Heading for a reader.
    pub label: String,
    /// Unit of the values.
    pub unit: String,
    /// The comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
}

pub(super) fn build(comparisons: &[Comparison]) -> Vec<Tile> {
    let metrics = HEADLINES.iter().filter_map(|name| metrics::named(name));
    metrics
        .filter_map(|metric| {
            let own = comparisons.iter().filter(|c| c.metric == metric.name);
            let by_value = |a: &&Comparison, b: &&Comparison| a.best_value.total_cmp(&b.best_value);
            let best = match metric.better {
                Better::Higher => own.max_by(by_value),
                _ => own.min_by(by_value),
            }?;
            Some(Tile {
                label: super::columns::label(metric.name).to_owned(),
                unit: metric.unit.to_owned(),
                comparison: best.clone(),
            })
        })
        .collect()
}
