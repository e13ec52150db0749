//! Whether the machine itself became faster or slower over a run: the last
//! repeat against the first, all backends and levels together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::MARGIN;
use crate::config::Level;
use crate::facts::warning::WarningKind;
use crate::report::figures::row::{Figure, Row};
use crate::stats::inference::paired_ratio;

/// Pairs of first and last repeat from which on a drift is looked for: fewer
/// give an interval that holds nearly everything.
const MIN_PAIRS: usize = 3;

/// The last repeat against the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The metric that was taken: throughput of a closed loop, time per output
    /// token of an open one, whose throughput follows the offered rate.
    pub metric: String,
    /// Geometric mean of last to first over backends and levels.
    pub ratio: f64,
    /// Lower end of its 95 % interval, by Student's t on the log scale.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs of a backend and a level that both repeats have.
    pub pairs: usize,
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

pub(crate) fn find(rows: &[Row], levels: &[Level]) -> Option<Drift> {
    let is_open = levels.iter().any(|l| matches!(l, Level::RequestRate(_)));
    let metric = if is_open {
        "tpot_ms"
    } else {
        "output_token_throughput"
    };
    let figures = rows.iter().filter_map(|row| row.figures.get(metric));
    let first = figures.clone().flat_map(blocks).min()?;
    let last = figures.clone().flat_map(blocks).max()?;
    let value = |figure: &Figure, block| {
        let mut values = figure.per_block.iter();
        values.find(|value| value.block == block)?.value
    };
    let pairs = figures.filter_map(|figure| Some((value(figure, last)?, value(figure, first)?)));
    let pairs: Vec<(f64, f64)> = pairs.filter(|_| last > first).collect();
    let interval = paired_ratio(&pairs).filter(|_| pairs.len() >= MIN_PAIRS)?;
    Some(Drift {
        metric: metric.to_owned(),
        ratio: interval.ratio,
        low: interval.low,
        high: interval.high,
        pairs: pairs.len(),
    })
}

fn blocks(figure: &Figure) -> impl Iterator<Item = u32> {
    figure.per_block.iter().map(|value| value.block)
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
        })
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::facts::key::Counts;
    use crate::report::figures::row::BlockValue;

    /// One level of one backend whose first repeat gave 100 and whose last gave
    /// `last`.
    fn row(last: f64) -> Row {
        let value = |(block, value)| BlockValue {
            block,
            value: Some(value),
        };
        let figure = Figure {
            per_block: [(0, 100.0), (1, 5.0), (2, last)].map(value).to_vec(),
            ..Figure::default()
        };
        Row {
            backend: "a".into(),
            run: None,
            level: Level::Concurrency(1),
            blocks: vec![0, 1, 2],
            counts: Counts::default(),
            absence: None,
            client_was_limit: false,
            breaches: Vec::new(),
            events_per_arrival: None,
            pace: None,
            unsteady: Vec::new(),
            figures: IndexMap::from([("output_token_throughput".into(), figure)]),
        }
    }

    #[test]
    fn a_machine_that_slows_down_by_a_tenth_drifts() {
        let levels = [Level::Concurrency(1)];
        let drift = find(&[row(90.0), row(90.0), row(90.0)], &levels).unwrap();
        assert!((drift.ratio - 0.9).abs() < 1e-9 && drift.pairs == 3);
        assert!(drift.matters());
    }

    #[test]
    fn scatter_and_small_changes_are_no_drift() {
        let levels = [Level::Concurrency(1)];
        let scattered = find(&[row(80.0), row(120.0), row(90.0)], &levels).unwrap();
        assert!(!scattered.matters());
        let small = find(&[row(98.0), row(98.0), row(98.0)], &levels).unwrap();
        assert!(small.high < 1.0 && !small.matters());
        assert_eq!(find(&[row(90.0), row(90.0)], &levels), None);
    }
}
