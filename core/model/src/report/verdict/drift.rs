//! Whether the machine itself became faster or slower over a run: the last
//! repeat against the first, all backends and levels together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::MARGIN;
use crate::config::Level;
use crate::report::figures::figure::{Figure, Row};
use crate::report::prose::warnings::{Severity, Warning};
use crate::report::runs::MeasuredRun;
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

/// The drifts of several runs that matter, each of its own rows.
pub(crate) fn of_each_run(rows: &[Row], levels: &[Level], runs: &[MeasuredRun]) -> Vec<Warning> {
    let each = (0..).zip(runs).filter_map(|(place, run)| {
        let own = rows.iter().filter(|row| row.run == Some(place)).cloned();
        let drift = of(&own.collect::<Vec<_>>(), levels)?;
        let found = warning(&drift)?;
        Some(Warning {
            text: format!("{}: {}", run.label, found.text),
            ..found
        })
    });
    each.collect()
}

pub(crate) fn of(rows: &[Row], levels: &[Level]) -> Option<Drift> {
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

pub(crate) fn warning(drift: &Drift) -> Option<Warning> {
    drift.matters().then(|| Warning {
        severity: Severity::Warning,
        text: format!("the machine drifted: {}", drift.words()),
        backend: None,
        levels: Vec::new(),
    })
}

impl Drift {
    /// `output throughput of the last repeat is 6 % lower than that of the first
    /// (95 %: 8 % lower to 4 % lower, 10 pairs of backend and level)`.
    #[must_use]
    pub fn words(&self) -> String {
        let change = |ratio: f64| {
            let percent = (ratio - 1.0) * 100.0;
            let way = if percent < 0.0 { "lower" } else { "higher" };
            format!("{:.1} % {way}", percent.abs())
        };
        let name = crate::report::figures::columns::lower_label(&self.metric);
        format!(
            "{name} of the last repeat is {} than that of the first (95 %: {} to {}, {} pairs of backend and level)",
            change(self.ratio),
            change(self.low),
            change(self.high),
            self.pairs
        )
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::facts::key::Counts;
    use crate::report::BlockValue;

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
            pace: None,
            unsteady: Vec::new(),
            figures: IndexMap::from([("output_token_throughput".into(), figure)]),
        }
    }

    #[test]
    fn a_machine_that_slows_down_by_a_tenth_drifts() {
        let levels = [Level::Concurrency(1)];
        let drift = of(&[row(90.0), row(90.0), row(90.0)], &levels).unwrap();
        assert!((drift.ratio - 0.9).abs() < 1e-9 && drift.pairs == 3);
        assert!(drift.matters());
        assert_eq!(
            drift.words(),
            "output throughput of the last repeat is 10.0 % lower than that of the first (95 %: 10.0 % lower to 10.0 % lower, 3 pairs of backend and level)"
        );
    }

    #[test]
    fn scatter_and_small_changes_are_no_drift() {
        let levels = [Level::Concurrency(1)];
        let scattered = of(&[row(80.0), row(120.0), row(90.0)], &levels).unwrap();
        assert!(!scattered.matters());
        let small = of(&[row(98.0), row(98.0), row(98.0)], &levels).unwrap();
        assert!(small.high < 1.0 && !small.matters());
        assert_eq!(of(&[row(90.0), row(90.0)], &levels), None);
    }
}
