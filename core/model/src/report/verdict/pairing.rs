//! The repeats of two backends, to be compared: paired by repeat within
//! a run, as two groups between runs, whose repeats have nothing in common.

use crate::report::figures::row::{Figure, Row};
use crate::stats::inference::{Interval, paired_ratio, unpaired_ratio};

/// Typical values of two backends in one metric at one level.
pub(crate) enum RepeatPairs {
    /// Both values of each repeat that both have.
    Paired(Vec<(f64, f64)>),
    /// The values of each.
    Apart(Vec<f64>, Vec<f64>),
}

impl RepeatPairs {
    pub(crate) fn new(first: &Row, second: &Row, metric: &str) -> Self {
        let figures = (first.figures.get(metric), second.figures.get(metric));
        let (Some(a), Some(b)) = figures else {
            return Self::Paired(Vec::new());
        };
        if first.run != second.run {
            return Self::Apart(values(a), values(b));
        }
        let pairs = a.per_block.iter().filter_map(|x| {
            let y = b.per_block.iter().find(|y| y.block == x.block)?;
            Some((x.value?, y.value?))
        });
        Self::Paired(pairs.collect())
    }

    /// Ratio of the first to the second; `None` below two repeats, or where a
    /// value is 0.
    pub(crate) fn interval(&self) -> Option<Interval> {
        match self {
            Self::Paired(pairs) => paired_ratio(pairs),
            Self::Apart(first, second) => unpaired_ratio(first, second),
        }
    }

    /// Mean log ratio of the first to the second, of one repeat too; `None` without
    /// repeats, or where a value is 0.
    pub(crate) fn mean_log_ratio(&self) -> Option<f64> {
        match self {
            Self::Paired(pairs) => mean_log(pairs.iter().map(|(a, b)| a / b)),
            Self::Apart(first, second) => {
                Some(mean_log(first.iter().copied())? - mean_log(second.iter().copied())?)
            }
        }
    }

    /// Ratio of the first to the second in each repeat that both have; none of two
    /// runs, whose repeats have nothing in common.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        match self {
            Self::Paired(pairs) => pairs.iter().map(|(a, b)| a / b).collect(),
            Self::Apart(..) => Vec::new(),
        }
    }

    /// Whether there are fewer than two repeats.
    pub(crate) fn is_too_few(&self) -> bool {
        match self {
            Self::Paired(pairs) => pairs.len() < 2,
            Self::Apart(first, second) => first.len().min(second.len()) < 2,
        }
    }

    /// Whether the second gives nothing in any repeat, and the first something
    /// in every one.
    pub(crate) fn only_first_gives(&self) -> bool {
        match self {
            Self::Paired(pairs) => pairs.iter().all(|(a, b)| *a > 0.0 && *b == 0.0),
            Self::Apart(first, second) => only_one_gives(first, second),
        }
    }

    /// The same the other way round.
    pub(crate) fn only_second_gives(&self) -> bool {
        match self {
            Self::Paired(pairs) => pairs.iter().all(|(a, b)| *a == 0.0 && *b > 0.0),
            Self::Apart(first, second) => only_one_gives(second, first),
        }
    }
}

/// `None` without values, or where one is not above 0 and finite.
fn mean_log(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.map(f64::ln).sum::<f64>() / n;
    mean.is_finite().then_some(mean)
}

fn only_one_gives(one: &[f64], other: &[f64]) -> bool {
    one.iter().all(|value| *value > 0.0) && other.iter().all(|value| *value == 0.0)
}

fn values(figure: &Figure) -> Vec<f64> {
    figure
        .per_block
        .iter()
        .filter_map(|own| own.value)
        .collect()
}
