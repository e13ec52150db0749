//! What is kept of a metric's values in one cell, and figures of several of them.

use std::sync::Arc;

use crate::facts::record::RequestRecord;
use crate::metrics::{Load, Metric, Values};
use crate::stats::Summary;
use crate::stats::numbers::Numbers;
use crate::stats::packed::{Packed, Pool};

/// Values of a part of a cell that are packed together.
const RUN_OF_PART: usize = 1 << 14;

/// Values of one metric.
#[derive(Debug, Clone)]
pub(crate) enum Tally {
    /// Shared where two metrics have the same values.
    Numbers(Arc<Numbers>),
    /// What follows from each value of another metric.
    From(Arc<Numbers>, Derive),
    Whole(Packed, f64),
    Sum(Option<f64>),
}

/// How a value follows from another metric's.
pub(super) type Derive = fn(f64) -> Option<f64>;

/// The values of several tallies of one metric.
pub(super) enum Sample<'a> {
    Numbers(Vec<Part<'a>>),
    Whole(Pool<'a>, f64),
}

/// The numbers of one tally.
pub(super) struct Part<'a> {
    numbers: &'a Numbers,
    derive: Option<Derive>,
}

impl Part<'_> {
    /// All of them that are finite.
    pub(super) fn iter(&self) -> impl Iterator<Item = f64> {
        let derived = |number| match self.derive {
            Some(derive) => derive(number).filter(|number| number.is_finite()),
            None => Some(number),
        };
        self.numbers.iter().filter_map(derived)
    }
}

pub(crate) fn summary<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> Summary {
    match Sample::pooled(tallies) {
        Sample::Whole(pool, per_unit) => Summary::of_whole(&pool, per_unit),
        Sample::Numbers(parts) => Summary::from_values(parts.iter().flat_map(Part::iter)),
    }
}

impl<'a> Sample<'a> {
    pub(super) fn pooled(tallies: impl IntoIterator<Item = &'a Tally>) -> Self {
        let mut numbers: Vec<Part<'a>> = Vec::new();
        let mut whole = Vec::new();
        let mut per_unit = None;
        for tally in tallies {
            match tally {
                Tally::Numbers(values) => numbers.push(Part {
                    numbers: values,
                    derive: None,
                }),
                Tally::From(values, derive) => numbers.push(Part {
                    numbers: values,
                    derive: Some(*derive),
                }),
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
            Values::PerRequest(_) | Values::OfMetric(_) => Self::Numbers(Arc::default()),
            Values::Pooled(pooled) => Self::Whole(Packed::default(), pooled.per_unit),
            Values::PerCell(_) => Self::Sum(Some(0.0)),
            Values::OfHardware(_) | Values::OfPrice(_) => Self::Sum(None),
        }
    }

    /// The same for one of many parts: fewer values wait to be packed.
    pub(crate) fn new_of_part(metric: &Metric) -> Self {
        match Self::new(metric) {
            Self::Numbers(_) => Self::Numbers(Arc::new(Numbers::with_run(RUN_OF_PART))),
            Self::Whole(_, per_unit) => Self::Whole(Packed::with_run(RUN_OF_PART), per_unit),
            sum => sum,
        }
    }

    pub(crate) fn add(&mut self, metric: &Metric, load: &Load, record: &RequestRecord) {
        match (self, &metric.values) {
            (Self::Numbers(values), Values::PerRequest(of)) if record.counts() => {
                Arc::make_mut(values).extend(of(record));
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
            Self::Numbers(values) => Arc::make_mut(values).pack(),
            Self::Whole(values, _) => values.pack(),
            Self::From(..) | Self::Sum(_) => {}
        }
    }
}
