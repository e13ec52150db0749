//! Every backend against every other, so that a reader may choose the one that
//! all are held against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::Held;
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::figures::figure::{Figure, Row};

/// A backend's figure over that of another backend, the baseline, in the same
/// metric at the same level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Against {
    /// Label of the baseline.
    pub baseline: String,
    /// Ratio of geometric means over the repeats that both have; below two such
    /// repeats, or where a value is 0, ratio of the typical values.
    pub ratio: f64,
    /// Lower end of its 95 % interval, paired by repeat if both are of one run;
    /// absent below two repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// Holds every figure of a metric that ranks against the same figure of every
/// other backend at its level.
pub(crate) fn fill(rows: &mut [Row], levels: &[Level], metrics: &[&Metric]) {
    let ranking = metrics.iter().filter(|m| m.better != Better::Neither);
    for metric in ranking {
        for level in levels {
            let places: Vec<usize> = (0..rows.len())
                .filter(|at| rows[*at].level == *level)
                .collect();
            for at in &places {
                let others = places.iter().filter(|other| *other != at);
                let found = others.filter_map(|other| against(&rows[*at], &rows[*other], metric));
                let found: Vec<Against> = found.collect();
                if let Some(figure) = rows[*at].figures.get_mut(metric.name) {
                    figure.against = found;
                }
            }
        }
    }
}

fn against(row: &Row, baseline: &Row, metric: &Metric) -> Option<Against> {
    let interval = Held::of(row, baseline, metric.name).interval();
    let ratio = match interval {
        Some(interval) => interval.ratio,
        None => row.typical(metric.name)? / baseline.typical(metric.name)?,
    };
    ratio.is_finite().then(|| Against {
        baseline: baseline.backend.clone(),
        ratio,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    })
}

impl Figure {
    /// This figure held against that of `baseline`; `None` if one of them has no
    /// value, or if the metric does not rank.
    #[must_use]
    pub fn against(&self, baseline: &str) -> Option<&Against> {
        self.against
            .iter()
            .find(|against| against.baseline == baseline)
    }
}
