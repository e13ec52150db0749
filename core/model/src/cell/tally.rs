//! What is kept of a metric's values, and figures of them over several cells.

use std::collections::BTreeMap;

use super::fold::CellDigest;
use crate::facts::record::RequestRecord;
use crate::metrics::{Load, Metric, Values};
use crate::stats::packed::{Packed, Pool};
use crate::stats::{Bounds, Summary};

/// Values of one metric.
#[derive(Debug, Clone)]
pub(crate) enum Tally {
    Numbers(Vec<f64>),
    Whole(Packed, f64),
    Sum(Option<f64>),
}

/// The values of several tallies of one metric.
enum Sample<'a> {
    Numbers(Vec<&'a [f64]>),
    Whole(Pool<'a>, f64),
}

/// Summary of one metric over the requests of several cells together, with the
/// intervals of its percentiles; empty for a metric that has one value per cell.
#[must_use]
pub fn pooled<'a>(
    metric: &Metric,
    cells: impl IntoIterator<Item = &'a CellDigest>,
) -> (Summary, Bounds) {
    summary(of_cells(metric, cells))
}

/// The number of values of one metric over the requests of several cells
/// together, and those that stand at `ranks` of it when they are sorted, from 0.
pub(crate) fn order_statistics<'a>(
    metric: &Metric,
    cells: impl IntoIterator<Item = &'a CellDigest>,
    ranks: impl FnOnce(usize) -> Vec<usize>,
) -> (usize, Vec<f64>) {
    match Sample::of(of_cells(metric, cells)) {
        Sample::Whole(pool, per_unit) => {
            let values = pool.at(&ranks(pool.len()));
            let in_units = values.into_iter().map(|value| value as f64 / per_unit);
            (pool.len(), in_units.collect())
        }
        Sample::Numbers(parts) => {
            let mut sorted: Vec<f64> = parts.concat();
            sorted.retain(|value| value.is_finite());
            sorted.sort_unstable_by(f64::total_cmp);
            let at = |rank: usize| sorted.get(rank).copied();
            let values = ranks(sorted.len()).into_iter().filter_map(at);
            (sorted.len(), values.collect())
        }
    }
}

/// How often each value stands among those of a pooled metric of whole numbers,
/// over the requests of several cells together; empty for any other metric.
pub(crate) fn counted<'a>(
    metric: &str,
    cells: impl IntoIterator<Item = &'a CellDigest>,
) -> BTreeMap<u32, u64> {
    let cells = cells.into_iter();
    match Sample::of(cells.filter_map(|cell| cell.samples.get(metric))) {
        Sample::Whole(pool, _) => pool.tally(),
        Sample::Numbers(_) => BTreeMap::new(),
    }
}

fn of_cells<'a>(
    metric: &Metric,
    cells: impl IntoIterator<Item = &'a CellDigest>,
) -> impl Iterator<Item = &'a Tally> {
    let cells = cells.into_iter();
    cells.filter_map(|cell| cell.samples.get(metric.name))
}

pub(crate) fn summary<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> (Summary, Bounds) {
    match Sample::of(tallies) {
        Sample::Whole(pool, per_unit) => Summary::of_whole_with_bounds(&pool, per_unit),
        Sample::Numbers(parts) => Summary::with_bounds(parts.into_iter().flatten().copied()),
    }
}

impl<'a> Sample<'a> {
    fn of(tallies: impl IntoIterator<Item = &'a Tally>) -> Self {
        let mut numbers: Vec<&[f64]> = Vec::new();
        let mut whole = Vec::new();
        let mut per_unit = None;
        for tally in tallies {
            match tally {
                Tally::Numbers(values) => numbers.push(values),
                Tally::Whole(values, unit) => {
                    whole.push(values);
                    per_unit = Some(*unit);
                }
                Tally::Sum(_) => {}
            }
        }
        match per_unit {
            Some(per_unit) => Self::Whole(Pool::new(whole), per_unit),
            None => Self::Numbers(numbers),
        }
    }
}

impl Tally {
    pub(crate) fn new(metric: &Metric) -> Self {
        match &metric.values {
            Values::PerRequest(_) => Self::Numbers(Vec::new()),
            Values::Pooled(pooled) => Self::Whole(Packed::default(), pooled.per_unit),
            Values::PerCell(_) => Self::Sum(Some(0.0)),
            Values::OfHardware(_) => Self::Sum(None),
        }
    }

    pub(crate) fn add(&mut self, metric: &Metric, load: &Load, record: &RequestRecord) {
        match (self, &metric.values) {
            (Self::Numbers(values), Values::PerRequest(of)) if record.counts() => {
                values.extend(of(record));
            }
            (Self::Whole(values, _), Values::Pooled(pooled)) if record.counts() => {
                (pooled.each)(record, values);
            }
            (Self::Sum(sum), Values::PerCell(cell)) => {
                *sum = sum.and_then(|sum| Some(sum + (cell.of)(load, record)?));
            }
            _ => {}
        }
    }

    pub(crate) fn pack(&mut self) {
        match self {
            Self::Numbers(values) => values.shrink_to_fit(),
            Self::Whole(values, _) => values.pack(),
            Self::Sum(_) => {}
        }
    }
}
