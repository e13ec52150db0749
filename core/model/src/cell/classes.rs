//! What is kept of classes of traffic: every metric by class.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::parts::Parts;
use crate::facts::key::Counts;
use crate::facts::record::RequestRecord;
use crate::facts::warning::WarningKind;
use crate::metrics::{Load, MetricValue};

/// Classes with figures of their own; later names share the last.
const CLASSES_APART: usize = 32;
/// Name of the class of those.
const OTHERS: &str = "(others)";

/// The requests of a cell by class.
pub(super) type Classes = Parts<String>;

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

impl Classes {
    /// Takes in a record, if it has a class; `load` is that of its cell.
    pub(super) fn take(&mut self, load: &Load, record: &RequestRecord) {
        let Some(class) = record.class.as_deref() else {
            return;
        };
        let has_room = self.has_or_takes(class, CLASSES_APART - 1);
        let class = if has_room { class } else { OTHERS };
        self.add(class.to_owned(), load, record);
    }

    /// Figures of each class, by name.
    pub(super) fn by_class(&self, hides: bool) -> Vec<ClassFigures> {
        let each = self.figures(hides).map(|(class, figures)| ClassFigures {
            class,
            counts: figures.counts,
            metrics: figures.metrics,
        });
        each.collect()
    }
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
