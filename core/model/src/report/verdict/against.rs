//! Every backend against every other, without a verdict.

use super::pairing::RepeatPairs;
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::figures::row::{Against, Row};

/// Compares every figure of a metric that ranks with the same figure of every
/// other backend at its level, so that a reader may choose the baseline.
pub(crate) fn fill_against(rows: &mut [Row], levels: &[Level], metrics: &[&Metric]) {
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
    let interval = RepeatPairs::new(row, baseline, metric.name).interval();
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
