//! The figures of one backend at one level, over all repeats.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::saturation::{self, Pace};
use super::steady_state::{self, Unsteady};
use crate::cell::fold;
use crate::cell::row::{CellRow, Counts};
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::DigestOf;
use crate::report::verdict::pairwise::Against;
use crate::stats::{Bounds, Summary, samples_needed};

/// One backend at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Label of the backend.
    pub backend: String,
    /// Place of its run from 0, where several runs are set side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Level of the load.
    pub level: Level,
    /// Repeats that were measured, ascending, from 0.
    pub blocks: Vec<u32>,
    /// Measured requests by outcome, over all repeats.
    pub counts: Counts,
    /// Why there are no figures; absent if there are some.
    pub absence: Option<String>,
    /// In some repeat the client was the limit: not to be trusted.
    pub client_was_limit: bool,
    /// Offered and completed rate; absent for a closed loop, an infinite rate,
    /// or too few requests.
    pub pace: Option<Pace>,
    /// What rose or fell over the measured window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsteady: Vec<Unsteady>,
    /// Every metric by its name, in the order of `Report::metrics`.
    pub figures: IndexMap<String, Figure>,
}

impl Row {
    /// The typical value of a metric: median of the pooled requests, or mean
    /// of a rate over repeats.
    #[must_use]
    pub fn typical(&self, metric: &str) -> Option<f64> {
        self.figures.get(metric)?.typical
    }

    /// Whether a cell is one of those that the row is made of.
    #[must_use]
    pub fn is_of(&self, cell: &CellRow) -> bool {
        self.backend == cell.backend && self.level == cell.level
    }

    /// Whether at least one measured request succeeded.
    #[must_use]
    pub fn has_success(&self) -> bool {
        self.counts.ok > 0
    }

    /// Share of the measured requests that failed, 0 to 1; 0 if there was none.
    #[must_use]
    pub fn failed_share(&self) -> f64 {
        let all = self.counts.ok + self.counts.failed;
        if all == 0 {
            0.0
        } else {
            self.counts.failed as f64 / all as f64
        }
    }
}

/// One metric of one backend at one level. Unit and direction are those of the
/// metric. Percentiles are taken over the requests of all repeats together,
/// never averaged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What a person compares: p50 of the pooled values, or the mean of a rate
    /// over repeats.
    pub typical: Option<f64>,
    /// Arithmetic mean of the pooled values, or of a rate over repeats.
    pub mean: Option<f64>,
    /// Median; absent for a rate.
    pub p50: Option<Percentile>,
    /// 90th percentile; absent for a rate.
    pub p90: Option<Percentile>,
    /// 95th percentile; absent for a rate.
    pub p95: Option<Percentile>,
    /// 99th percentile; absent for a rate.
    pub p99: Option<Percentile>,
    /// Number of values: pooled ones, or repeats of a rate.
    pub n: usize,
    /// Typical value of each repeat: its own p50, or its rate.
    pub per_block: Vec<BlockValue>,
    /// Smallest typical value of a repeat.
    pub block_min: Option<f64>,
    /// Largest typical value of a repeat.
    pub block_max: Option<f64>,
    /// Typical value divided by that of the best backend at this level; absent
    /// if the metric does not rank or no other backend has a value.
    pub ratio_to_best: Option<f64>,
    /// Whether this is the best typical value of several at this level.
    pub best: bool,
    /// This figure over that of every other backend at this level, if the metric
    /// ranks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Against>,
}

/// A percentile, or the number of values that it would have needed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// The value; null if the sample is too small to carry it.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval by order statistics, which assumes no
    /// distribution, but takes the requests for independent of each other; absent
    /// if the sample is too small for it: below 6 values for p50, 368 for p99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Its upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Values in the sample.
    pub n: usize,
    /// Values that the percentile needs.
    pub needed: usize,
}

impl Percentile {
    fn of(summary: &Summary, bounds: &Bounds, p: u32) -> Self {
        let value = summary.carried(p);
        let bounds = bounds.interval(p).filter(|_| value.is_some());
        Self {
            value,
            low: bounds.map(|(low, _)| low),
            high: bounds.map(|(_, high)| high),
            n: summary.n,
            needed: samples_needed(f64::from(p)).min(100),
        }
    }
}

/// The typical value of one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockValue {
    /// The repeat, from 0.
    pub block: u32,
    /// Its value; null if it has none.
    pub value: Option<f64>,
}

/// The row of one backend at one level; `cells` are its cells, one per repeat.
pub(crate) fn row<'a>(
    backend: &str,
    level: Level,
    cells: &[&CellRow],
    digest_of: &DigestOf<'a>,
    metrics: &[&Metric],
    absence: Option<String>,
) -> Row {
    let mut counts = Counts::default();
    for cell in cells {
        counts.add(&cell.counts);
    }
    let figures = metrics
        .iter()
        .map(|metric| (metric.name.to_owned(), figure(metric, cells, digest_of)));
    let pace = saturation::of(level, cells, digest_of);
    Row {
        backend: backend.to_owned(),
        run: None,
        level,
        blocks: cells.iter().map(|cell| cell.block).collect(),
        absence,
        pace,
        unsteady: steady_state::of(level, cells, pace),
        client_was_limit: cells.iter().any(|cell| cell.self_check.client_was_limit),
        figures: if cells.is_empty() {
            IndexMap::new()
        } else {
            figures.collect()
        },
        counts,
    }
}

fn figure(metric: &Metric, cells: &[&CellRow], digest_of: &DigestOf<'_>) -> Figure {
    let per_block: Vec<BlockValue> = cells
        .iter()
        .map(|cell| BlockValue {
            block: cell.block,
            value: cell.metrics.get(metric.name).and_then(|v| v.typical()),
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
    let digests = cells.iter().map(|cell| digest_of(cell));
    let (pooled, bounds) = fold::pooled(metric, digests);
    let percentile = |p| Some(Percentile::of(&pooled, &bounds, p));
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

/// Marks the best typical value of each metric at each level, and gives every
/// other its ratio to it.
pub(crate) fn mark_best(rows: &mut [Row], levels: &[Level], metrics: &[&Metric]) {
    for level in levels {
        for metric in metrics {
            let at_level = rows.iter().filter(|row| row.level == *level);
            let values: Vec<f64> = at_level
                .filter_map(|row| row.typical(metric.name))
                .collect();
            if values.len() < 2 {
                continue;
            }
            let values = values.into_iter();
            let best = match metric.better {
                Better::Higher => values.max_by(f64::total_cmp),
                Better::Lower => values.min_by(f64::total_cmp),
                Better::Neither => None,
            };
            let Some(best) = best else { continue };
            for row in rows.iter_mut().filter(|row| row.level == *level) {
                if let Some(figure) = row.figures.get_mut(metric.name) {
                    figure.best = figure.typical == Some(best);
                    figure.ratio_to_best = figure
                        .typical
                        .map(|value| value / best)
                        .filter(|ratio| ratio.is_finite());
                }
            }
        }
    }
}
