//! The order of the backends at one level in one metric, by the quantity that is
//! tested: the geometric mean over the repeats that two of them have.

use std::cmp::Ordering;

use super::pairing::RepeatPairs;
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::figures::row::Row;

/// The rows of a level that have a value, best first: by how many others each leads,
/// which is the order of the geometric means where all have the same repeats.
pub(crate) fn best_first<'r>(rows: &'r [Row], level: Level, metric: &Metric) -> Vec<&'r Row> {
    let with_value = |row: &&Row| row.level == level && row.typical(metric.name).is_some();
    let own: Vec<&Row> = rows.iter().filter(with_value).collect();
    let leads = |row: &&Row| {
        let behind = own.iter().filter(|other| order(row, other, metric).is_lt());
        behind.count()
    };
    let mut ranked: Vec<(usize, &Row)> = own.iter().map(|row| (leads(row), *row)).collect();
    ranked.sort_by(|(a, first), (b, second)| {
        b.cmp(a).then_with(|| by_typical(first, second, metric))
    });
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// `Less` if the first is better.
fn order(first: &Row, second: &Row, metric: &Metric) -> Ordering {
    let repeats = RepeatPairs::new(first, second, metric.name);
    match repeats.mean_log_ratio() {
        Some(ratio) => better_first(ratio.total_cmp(&0.0), metric),
        None => by_typical(first, second, metric),
    }
}

fn by_typical(first: &Row, second: &Row, metric: &Metric) -> Ordering {
    let values = first.typical(metric.name).zip(second.typical(metric.name));
    values.map_or(Ordering::Equal, |(a, b)| {
        better_first(a.total_cmp(&b), metric)
    })
}

fn better_first(ascending: Ordering, metric: &Metric) -> Ordering {
    match metric.better {
        Better::Higher => ascending.reverse(),
        _ => ascending,
    }
}

/// Marks the best figure of each metric at each level, and gives every other its
/// ratio to it.
pub(crate) fn mark_best(rows: &mut [Row], levels: &[Level], metrics: &[&Metric]) {
    let ranking = metrics.iter().filter(|m| m.better != Better::Neither);
    for metric in ranking {
        for level in levels {
            let ranked = best_first(rows, *level, metric);
            let [best, _, ..] = ranked.as_slice() else {
                continue;
            };
            let Some(value) = best.typical(metric.name) else {
                continue;
            };
            let as_good = ranked.iter().filter(|row| order(best, row, metric).is_eq());
            let as_good = as_good.map(|row| row.backend.clone());
            let labels: Vec<String> = as_good.chain([best.backend.clone()]).collect();
            for row in rows.iter_mut().filter(|row| row.level == *level) {
                let best = labels.contains(&row.backend);
                if let Some(figure) = row.figures.get_mut(metric.name) {
                    figure.best = best;
                    let ratio = figure.typical.map(|own| own / value);
                    figure.ratio_to_best = ratio.filter(|ratio| ratio.is_finite());
                }
            }
        }
    }
}
