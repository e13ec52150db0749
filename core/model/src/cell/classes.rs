//! What is kept of classes of traffic: every metric by class.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::tallies::Tallies;
use crate::cell::tally::Tally;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestRecord};
use crate::facts::warning::WarningKind;
use crate::metrics::{Load, MetricValue};

/// Classes with figures of their own; later names share the last.
const CLASSES_APART: usize = 32;
/// Name of the class of those.
const OTHERS: &str = "(others)";

/// The requests of a cell by class.
#[derive(Default)]
pub(super) struct Classes(BTreeMap<String, ClassFold>);

struct ClassFold {
    counts: Counts,
    tallies: Tallies,
}

/// Figures of the requests of one class in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassFigures {
    /// Name of the class.
    pub class: String,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// Every metric that requests have, over the requests of the class. Rates are those
    /// of the cell's measured window.
    pub metrics: IndexMap<String, MetricValue>,
}

/// What is kept of one class of a cell for the report.
#[derive(Debug)]
pub(crate) struct ClassDigest {
    pub(crate) counts: Counts,
    pub(crate) samples: HashMap<&'static str, Tally>,
}

impl Classes {
    /// Takes in a record; `load` is that of its cell.
    pub(super) fn add(&mut self, load: &Load, record: &RequestRecord) {
        let Some(class) = record.class.as_deref() else {
            return;
        };
        let is_known = self.0.contains_key(class) || self.0.len() < CLASSES_APART - 1;
        let class = if is_known { class } else { OTHERS };
        let fold = self.0.entry(class.to_owned()).or_insert_with(|| ClassFold {
            counts: Counts::default(),
            tallies: Tallies::new(load.clone()),
        });
        fold.tallies.add(record);
        if record.phase == Phase::Measured {
            fold.counts.note(record);
        }
    }

    pub(super) fn pack(&mut self) {
        self.0.values_mut().for_each(|fold| fold.tallies.pack());
    }

    /// Figures of each class, by name.
    pub(super) fn figures(&self, hides: bool) -> Vec<ClassFigures> {
        let each = self.0.iter().map(|(class, fold)| ClassFigures {
            class: class.clone(),
            counts: fold.counts.clone(),
            metrics: per_request(fold.tallies.metrics(hides)),
        });
        each.collect()
    }

    pub(super) fn digests(self, hides: bool) -> BTreeMap<String, ClassDigest> {
        let each = self.0.into_iter().map(|(class, fold)| {
            let digest = ClassDigest {
                counts: fold.counts,
                samples: fold.tallies.into_samples(hides),
            };
            (class, digest)
        });
        each.collect()
    }
}

/// Metrics that the requests of a class can have: not those of the machine, which serves
/// all classes at once.
fn per_request(metrics: IndexMap<String, MetricValue>) -> IndexMap<String, MetricValue> {
    let named = |name: &str| crate::metrics::named(name);
    let kept = metrics
        .into_iter()
        .filter(|(name, _)| named(name).is_some_and(|metric| !metric.values.is_of_machine()));
    kept.collect()
}

/// A class is served well where this share of its requests met their limits, and starves
/// where fewer than half of that did while another was served well.
const SERVED_WELL: f64 = 0.9;

/// Warnings of classes that get little while others are served well: by their limits
/// where they have some, else by their answers.
pub(super) fn starving(classes: &[ClassFigures]) -> Vec<WarningKind> {
    let served = |figures: &ClassFigures| {
        let attained = figures.metrics.get("slo_attainment");
        let requests = figures.counts.ok + figures.counts.failed;
        let ok = (requests > 0).then(|| figures.counts.ok as f64 / requests as f64);
        attained.and_then(MetricValue::typical).or(ok)
    };
    let shares: Vec<_> = classes.iter().map(|class| (class, served(class))).collect();
    let best = shares
        .iter()
        .max_by(|a, b| f64_of(a.1).total_cmp(&f64_of(b.1)));
    let Some((best, Some(best_share))) = best.filter(|best| f64_of(best.1) >= SERVED_WELL) else {
        return Vec::new();
    };
    let starve = shares.iter().filter_map(|(class, share)| {
        let share = share.filter(|share| *share < SERVED_WELL / 2.0)?;
        Some(WarningKind::ClassStarves {
            class: class.class.clone(),
            share,
            other: best.class.clone(),
            other_share: *best_share,
        })
    });
    starve.collect()
}

fn f64_of(share: Option<f64>) -> f64 {
    share.unwrap_or(-1.0)
}
