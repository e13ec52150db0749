//! The figures of one backend at one level, over all repeats.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::row::{Absence, BlockValue, Figure, Percentile, Row};
use super::steady_state::Moved;
use super::{saturation, steady_state};
use crate::cell::fold;
use crate::cell::measured::MeasuredCell;
use crate::cell::sharing::Sharing;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::warning::WarningCode;
use crate::metrics::{Metric, MetricValue, Values};
use crate::stats::{Summary, samples_needed, sectioned};

/// Values of a repeat that must lie beyond a percentile, on average, so that its own
/// percentile tells how much that scatters: with fewer, where one of fifty values is
/// far above the others, an interval of two repeats holds the p99 in 88 of 100 cases.
const BEYOND: usize = 4;

/// The metric whose values are estimates where a server does not count per event.
const ESTIMATED: &str = "decode_ms_per_token";

/// A percentile of the values of all repeats together. A sample carries it with enough
/// values, of enough requests.
fn percentile(
    metric: &Metric,
    pooled: &Summary,
    cells: &[&MeasuredCell<'_>],
    p: u32,
) -> Percentile {
    let needed = samples_needed(f64::from(p)).min(100);
    let has_several = matches!(metric.values, Values::Pooled(_));
    let requests = cells.iter().map(|cell| cell.row.counts.ok).sum();
    let carries = |requests: u64| !has_several || requests >= needed as u64;
    let value = pooled.carried(p).filter(|_| carries(requests));
    let bounds_need = BEYOND * samples_needed(f64::from(p));
    let of_repeat = |cell: &&MeasuredCell<'_>| match cell.row.metrics.get(metric.name)? {
        MetricValue::Summary(own) => {
            let bounded = own.n >= bounds_need && carries(cell.row.counts.ok);
            own.at(p).filter(|_| bounded)
        }
        MetricValue::Number(_) => None,
    };
    let of_repeats: Option<Vec<f64>> = cells.iter().map(of_repeat).collect();
    let bounds = value.and_then(|value| sectioned(value, &of_repeats?));
    Percentile {
        value,
        low: bounds.map(|(low, _)| low),
        high: bounds.map(|(_, high)| high),
        n: pooled.n,
        needed,
        requests: has_several.then_some(requests),
    }
}

/// The row of one backend at one level; `cells` are its cells, one per repeat.
/// `is_shaped`: the rate goes over time.
pub(crate) fn row(
    backend: &str,
    (level, is_shaped): (Level, bool),
    cells: &[&MeasuredCell<'_>],
    metrics: &[&Metric],
    absence: Option<Absence>,
) -> Row {
    let mut counts = Counts::default();
    for cell in cells {
        counts.add(&cell.row.counts);
    }
    let figures = metrics
        .iter()
        .map(|metric| (metric.name.to_owned(), figure(metric, cells)));
    let pace = saturation::pace(level, cells);
    let moved = match is_shaped {
        // Throughput and latency follow the load.
        true => Moved::default(),
        false => steady_state::find_unsteady(level, cells, pace),
    };
    Row {
        backend: backend.to_owned(),
        run: None,
        level,
        blocks: cells.iter().map(|cell| cell.row.block).collect(),
        absence,
        pace,
        unsteady: moved.unsteady,
        maybe_unsteady: moved.maybe_unsteady,
        client_was_limit: cells
            .iter()
            .any(|cell| cell.row.self_check.client_was_limit),
        breaches: breaches(cells),
        events_per_arrival: events_per_arrival(cells),
        figures: if cells.is_empty() {
            IndexMap::new()
        } else {
            figures.collect()
        },
        counts,
    }
}

fn events_per_arrival(cells: &[&MeasuredCell<'_>]) -> Option<f64> {
    let each = cells.iter().map(|cell| cell.digest.work.streamed);
    let all = each.reduce(Sharing::with)?;
    (all.arrivals > 0).then(|| all.events as f64 / all.arrivals as f64)
}

/// What makes its cells untrustworthy, each code once.
fn breaches(cells: &[&MeasuredCell<'_>]) -> Vec<WarningCode> {
    let all = cells.iter().flat_map(|cell| &cell.row.breaches);
    let each: BTreeSet<WarningCode> = all.copied().collect();
    each.into_iter().collect()
}

fn figure(metric: &Metric, cells: &[&MeasuredCell<'_>]) -> Figure {
    let per_block: Vec<BlockValue> = cells
        .iter()
        .map(|cell| BlockValue {
            block: cell.row.block,
            value: cell.row.metrics.get(metric.name).and_then(|v| v.typical()),
        })
        .collect();
    let blocks = Summary::from_values(per_block.iter().filter_map(|block| block.value));
    let spread = Figure {
        per_block,
        block_min: blocks.min,
        block_max: blocks.max,
        ..Figure::default()
    };
    if metric.values.is_one_per_cell() {
        return Figure {
            typical: blocks.mean,
            mean: blocks.mean,
            n: blocks.n,
            ..spread
        };
    }
    let spread = Figure {
        estimated: metric.name == ESTIMATED
            && cells.iter().any(|cell| cell.digest.decode_is_estimated),
        ..spread
    };
    let digests = cells.iter().map(|cell| cell.digest);
    let pooled = fold::pooled(metric, digests);
    let percentile = |p| Some(percentile(metric, &pooled, cells, p));
    Figure {
        typical: pooled.p50,
        mean: pooled.mean,
        p50: percentile(50),
        p90: percentile(90),
        p95: percentile(95),
        p99: percentile(99),
        n: pooled.n,
        ..spread
    }
}
