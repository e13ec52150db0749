//! Figures of a part of a row's requests, over all repeats.

use indexmap::IndexMap;

use crate::cell::parts::PartDigest;
use crate::cell::tally::summary;
use crate::facts::key::Counts;
use crate::metrics::MetricValue;
use crate::stats::Summary;

/// One part of the cells that a row is made of.
#[derive(Default)]
pub(super) struct PartOfRow<'c> {
    cells: Vec<(&'c PartDigest, &'c IndexMap<String, MetricValue>)>,
}

impl<'c> PartOfRow<'c> {
    /// Takes in the part of one more cell.
    pub(super) fn push(
        &mut self,
        digest: &'c PartDigest,
        metrics: &'c IndexMap<String, MetricValue>,
    ) {
        self.cells.push((digest, metrics));
    }

    /// Measured requests by outcome.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let each = self.cells.iter();
        each.for_each(|(digest, _)| counts.add(&digest.counts));
        counts
    }

    /// A metric over all its requests.
    pub(super) fn pooled(&self, name: &str) -> Summary {
        let each = self.cells.iter();
        let tallies = each.filter_map(|(digest, _)| digest.samples.get(name));
        summary(tallies).with_enough_values()
    }

    /// A rate or share: the mean of the repeats; `None` if one has none.
    pub(super) fn mean(&self, name: &str) -> Option<f64> {
        let values = self.cells.iter().map(|(_, metrics)| {
            let value = metrics.get(name);
            value.and_then(MetricValue::typical)
        });
        let values: Option<Vec<f64>> = values.collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}
