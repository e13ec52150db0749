//! Whether the machine itself became faster or slower over a run: a line through
//! the repeats, with one value for each start of a backend. The levels of a start
//! share its luck, so they are no values of their own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::MARGIN;
use crate::config::Level;
use crate::facts::warning::WarningKind;
use crate::report::figures::row::Row;
use crate::stats::slope::common_slope;

/// The last repeat against the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The metric that was taken: throughput of a closed loop, time per output
    /// token of an open one, whose throughput follows the offered rate.
    pub metric: String,
    /// Last repeat over first, along the line that all backends have in common on the
    /// log scale.
    pub ratio: f64,
    /// Lower end of its 95 % interval, by Student's t.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs of a backend and a level that every repeat of the backend has.
    pub pairs: usize,
    /// Starts of backends, each of which is one value: the mean over its levels.
    #[serde(default)]
    pub starts: usize,
}

impl Drift {
    /// Whether it is there, and larger than what a verdict lets pass.
    #[must_use]
    pub fn matters(&self) -> bool {
        let excludes_1 = self.low > 1.0 || self.high < 1.0;
        let log = self.ratio.ln().abs();
        excludes_1 && log > (1.0 + MARGIN).ln()
    }
}

/// The drift of rows of one run. `None` where so few starts would give an interval
/// that holds nearly everything: with one backend below four repeats, with two below
/// three.
#[must_use]
pub fn find(rows: &[Row], levels: &[Level]) -> Option<Drift> {
    let is_open = levels.iter().any(|l| !matches!(l, Level::Concurrency(_)));
    let metric = if is_open {
        "tpot_ms"
    } else {
        "output_token_throughput"
    };
    let mut labels: Vec<&str> = rows.iter().map(|row| row.backend.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let starts = labels
        .iter()
        .map(|label| Starts::from_rows(rows, label, metric));
    let starts: Vec<Starts> = starts.collect();
    let places = || starts.iter().flat_map(|own| &own.values);
    let first = places()
        .map(|(block, _)| *block)
        .fold(f64::INFINITY, f64::min);
    let last = places().map(|(block, _)| *block).fold(0.0, f64::max);
    let groups: Vec<Vec<(f64, f64)>> = starts.iter().map(|own| own.values.clone()).collect();
    let found = common_slope(&groups)?;
    let over = |slope: f64| (slope * (last - first)).exp();
    Some(Drift {
        metric: metric.to_owned(),
        ratio: over(found.slope),
        low: over(found.slope - found.half),
        high: over(found.slope + found.half),
        pairs: starts.iter().map(|own| own.levels).sum(),
        starts: places().count(),
    })
}

/// The starts of one backend.
struct Starts {
    /// Repeat and mean log value over the levels.
    values: Vec<(f64, f64)>,
    levels: usize,
}

impl Starts {
    /// The mean is over the levels that every repeat has: another one would move it.
    fn from_rows(rows: &[Row], label: &str, metric: &str) -> Self {
        let own = rows.iter().filter(|row| row.backend == label);
        let each: Vec<BTreeMap<u32, f64>> = own.filter_map(|row| logs(row, metric)).collect();
        let repeats = each.iter().map(BTreeMap::len).max().unwrap_or(0);
        let whole = each.iter().filter(|level| level.len() == repeats);
        let whole: Vec<&BTreeMap<u32, f64>> = whole.collect();
        let blocks = whole.first().into_iter().flat_map(|level| level.keys());
        let values = blocks.filter_map(|block| {
            let own = whole.iter().map(|level| level.get(block).copied());
            let own = own.collect::<Option<Vec<f64>>>()?;
            Some((
                f64::from(*block),
                own.iter().sum::<f64>() / own.len() as f64,
            ))
        });
        Self {
            values: values.collect(),
            levels: whole.len(),
        }
    }
}

/// Log values of a row by repeat; `None` without any.
fn logs(row: &Row, metric: &str) -> Option<BTreeMap<u32, f64>> {
    let values = &row.figures.get(metric)?.per_block;
    let above_0 = values.iter().filter_map(|own| {
        let value = own.value.filter(|value| *value > 0.0)?;
        Some((own.block, value.ln()))
    });
    let logs: BTreeMap<u32, f64> = above_0.collect();
    (!logs.is_empty()).then_some(logs)
}

impl Drift {
    /// The warning of it; `None` if it does not matter. `run`: label of the run,
    /// where several are compared.
    pub(crate) fn warning(&self, run: Option<&str>) -> Option<WarningKind> {
        self.matters().then(|| WarningKind::MachineDrifted {
            run: run.map(str::to_owned),
            metric: self.metric.clone(),
            ratio: self.ratio,
            low: self.low,
            high: self.high,
            pairs: self.pairs as u64,
            starts: self.starts as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::facts::key::Counts;
    use crate::report::figures::row::{BlockValue, Figure};

    /// One level of a backend with these values in its repeats.
    fn row(backend: &str, level: u32, values: &[Option<f64>]) -> Row {
        let each = (0..).zip(values);
        let per_block = each.map(|(block, value)| BlockValue {
            block,
            value: *value,
        });
        let figure = Figure {
            per_block: per_block.collect(),
            ..Figure::default()
        };
        Row {
            backend: backend.into(),
            run: None,
            level: Level::Concurrency(level),
            blocks: (0..values.len() as u32).collect(),
            counts: Counts::default(),
            absence: None,
            client_was_limit: false,
            breaches: Vec::new(),
            events_per_arrival: None,
            pace: None,
            unsteady: Vec::new(),
            maybe_unsteady: Vec::new(),
            figures: IndexMap::from([("output_token_throughput".into(), figure)]),
        }
    }

    fn found(rows: &[Row]) -> Option<Drift> {
        find(rows, &[Level::Concurrency(1), Level::Concurrency(2)])
    }

    #[test]
    fn a_machine_that_slows_down_by_a_tenth_drifts() {
        let falling = [100.0, 97.5, 95.0, 92.5, 90.0].map(Some);
        let drift = found(&[row("a", 1, &falling), row("b", 1, &falling)]).unwrap();
        // the logs lie nearly on a line from ln 100 to ln 90
        assert!(
            (drift.ratio - 0.9).abs() < 2e-3 && drift.matters(),
            "{drift:?}"
        );
        assert_eq!((drift.starts, drift.pairs), (10, 2));
    }

    #[test]
    fn levels_of_one_start_are_one_value() {
        // three levels that fall alike are one backend with three starts, which is too
        // little, however alike they are
        let falling = [100.0, 95.0, 90.0].map(Some);
        let levels = [1, 2, 3].map(|level| row("a", level, &falling));
        assert_eq!(found(&levels), None);
        let other = row("b", 1, &falling);
        let both: Vec<Row> = levels.into_iter().chain([other]).collect();
        assert_eq!(found(&both).unwrap().starts, 6);
    }

    #[test]
    fn scatter_and_small_changes_are_no_drift() {
        let measured = |values: [f64; 4]| row("a", 1, &values.map(Some));
        assert!(
            !found(&[measured([100.0, 80.0, 110.0, 90.0])])
                .unwrap()
                .matters()
        );
        let small = found(&[measured([100.0, 99.4, 98.7, 98.0])]).unwrap();
        assert!(small.high < 1.0 && !small.matters(), "{small:?}");
    }

    #[test]
    fn a_level_that_a_repeat_lacks_moves_no_mean() {
        let whole = [100.0, 100.0, 100.0, 101.0].map(Some);
        let part = [Some(10.0), None, None, Some(10.0)];
        let drift = found(&[row("a", 1, &whole), row("a", 2, &part)]).unwrap();
        assert_eq!((drift.pairs, drift.starts), (1, 4));
        assert!((drift.ratio - 1.009).abs() < 1e-3, "{drift:?}");
    }
}
