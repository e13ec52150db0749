//! The best backend in each of the metrics that a reader asks for first.

use crate::config::Level;
use crate::metrics::{self, Better};
use crate::report::data::Tile;
use crate::report::figures::columns::label;
use crate::report::verdict::compare::Comparison;
use crate::report::verdict::ranking_metric::is_open;

/// Metrics with a tile, in order.
const HEADLINES: [&str; 6] = [
    "output_token_throughput",
    "ttft_ms",
    "tpot_ms",
    "goodput",
    COST,
    ENERGY,
];
/// The same for an open loop, whose throughput follows the offered rate.
const OPEN_HEADLINES: [&str; 6] = [
    "goodput",
    "e2e_from_schedule_ms",
    "ttft_ms",
    "tpot_ms",
    COST,
    ENERGY,
];
/// Only where the config gives a price.
const COST: &str = "cost_per_million_output_tokens";
const ENERGY: &str = "gpu_energy_joules_per_output_token";
/// Takes the place of `tpot_ms` where events carry different numbers of tokens.
const PER_TOKEN: &str = "decode_ms_per_token";

/// `mixed`: the events of the backends carry different numbers of tokens at
/// some level.
pub(crate) fn choose(comparisons: &[Comparison], levels: &[Level], mixed: bool) -> Vec<Tile> {
    let names = if is_open(levels) {
        OPEN_HEADLINES
    } else {
        HEADLINES
    };
    let per_token = mixed && comparisons.iter().any(|c| c.metric == PER_TOKEN);
    let names = names.into_iter().map(|name| match name {
        "tpot_ms" if per_token => PER_TOKEN,
        name => name,
    });
    let metrics = names.filter_map(metrics::named);
    metrics
        .filter_map(|metric| {
            let own = comparisons.iter().filter(|c| c.metric == metric.name);
            let by_value = |a: &&Comparison, b: &&Comparison| a.best_value.total_cmp(&b.best_value);
            let best = match metric.better {
                Better::Higher => own.max_by(by_value),
                _ => own.min_by(by_value),
            }?;
            Some(Tile {
                sentence: String::new(),
                label: label(metric.name).to_owned(),
                unit: metric.unit.to_owned(),
                comparison: best.clone(),
                doubts: Vec::new(),
            })
        })
        .collect()
}
