//! Requests of a cell in parts, such as its classes or replicas: every metric of each.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;

use crate::cell::tallies::Tallies;
use crate::cell::tally::Tally;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestRecord};
use crate::metrics::{Load, MetricValue};

/// The requests of a cell by what parts them.
pub(super) struct Parts<K>(BTreeMap<K, PartFold>);

struct PartFold {
    counts: Counts,
    tallies: Tallies,
}

/// Figures of one part.
pub(super) struct PartFigures {
    pub(super) counts: Counts,
    pub(super) metrics: IndexMap<String, MetricValue>,
}

/// What is kept of one part of a cell for the report.
#[derive(Debug)]
pub(crate) struct PartDigest {
    pub(crate) counts: Counts,
    pub(crate) samples: HashMap<&'static str, Tally>,
}

impl<K> Default for Parts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Parts<K> {
    /// Takes in a record of this part; `load` is that of the cell.
    pub(super) fn add(&mut self, part: K, load: &Load, record: &RequestRecord) {
        let fold = self.0.entry(part).or_insert_with(|| PartFold {
            counts: Counts::default(),
            tallies: Tallies::new_of_part(load.clone()),
        });
        fold.tallies.add(record);
        if record.phase == Phase::Measured {
            fold.counts.note(record);
        }
    }

    /// Whether a part has been seen, or there is room for another beside so many.
    pub(super) fn has_or_takes<Q>(&self, part: &Q, most: usize) -> bool
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.0.contains_key(part) || self.0.len() < most
    }

    pub(super) fn pack(&mut self) {
        self.0.values_mut().for_each(|fold| fold.tallies.pack());
    }

    /// Figures of each part, in order.
    pub(super) fn figures(&self, hides: bool) -> impl Iterator<Item = (K, PartFigures)> {
        self.0.iter().map(move |(part, fold)| {
            let figures = PartFigures {
                counts: fold.counts.clone(),
                metrics: per_request(fold.tallies.metrics(hides)),
            };
            (part.clone(), figures)
        })
    }

    pub(super) fn digests(self, hides: bool) -> BTreeMap<K, PartDigest> {
        let each = self.0.into_iter().map(|(part, fold)| {
            let digest = PartDigest {
                counts: fold.counts,
                samples: fold.tallies.into_samples(hides),
            };
            (part, digest)
        });
        each.collect()
    }
}

/// Metrics that the requests of a part can have: not those of the machine, which serves
/// all parts at once.
fn per_request(metrics: IndexMap<String, MetricValue>) -> IndexMap<String, MetricValue> {
    let named = |name: &str| crate::metrics::named(name);
    let kept = metrics
        .into_iter()
        .filter(|(name, _)| named(name).is_some_and(|metric| !metric.values.is_of_machine()));
    kept.collect()
}
