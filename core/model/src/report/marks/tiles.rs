//! The best backend in each of the metrics that a reader asks for first.

use crate::config::{Level, SloConfig};
use crate::metrics::{self, Better};
use crate::report::data::Tile;
use crate::report::figures::columns::label;
use crate::report::verdict::compare::{Comparison, Outcome};
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

fn is_latency(metric: &str) -> bool {
    metric.ends_with("_ms") || metric == PER_TOKEN
}

/// The limit that an SLO sets to a metric.
fn limit_of(metric: &str, slo: SloConfig) -> Option<f64> {
    match metric {
        "ttft_ms" => slo.ttft_ms,
        "tpot_ms" | PER_TOKEN => slo.tpot_ms,
        "e2e_from_schedule_ms" => slo.e2e_latency_ms,
        _ => None,
    }
}

/// The level at which a latency says most, of comparisons in the order of the levels. At
/// the lowest load every latency is lowest, which tells nothing of a backend, so that
/// level is the last resort. First comes the highest at which the best keeps the SLO and
/// the second does not; then that with the widest lead that was shown; then the highest.
fn telling<'c>(own: &[&'c Comparison], limit: Option<f64>) -> Option<&'c Comparison> {
    let above = own.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(own);
    let binds = |c: &&&Comparison| {
        let ends = limit.zip(c.second_value);
        ends.is_some_and(|(limit, second)| c.best_value <= limit && limit < second)
    };
    let lead = |c: &Comparison| c.interval.map_or(0.0, |interval| interval.ratio.ln().abs());
    let shown = above.iter().filter(|c| c.outcome == Outcome::Faster);
    let widest = shown.max_by(|a, b| lead(a).total_cmp(&lead(b)));
    let found = above.iter().rev().find(binds).or(widest).or(above.last());
    found.copied()
}

/// `mixed`: the events of the backends carry different numbers of tokens at
/// some level.
pub(crate) fn choose(
    comparisons: &[Comparison],
    levels: &[Level],
    slo: SloConfig,
    mixed: bool,
) -> Vec<Tile> {
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
            let best = match (metric.better, is_latency(metric.name)) {
                (Better::Higher, _) => own.max_by(by_value),
                (_, true) => telling(&own.collect::<Vec<_>>(), limit_of(metric.name, slo)),
                (_, false) => own.min_by(by_value),
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
