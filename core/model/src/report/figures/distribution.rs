//! How the values of a metric are distributed, for every backend and level.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::fold;
use crate::cell::measured::MeasuredCell;
use crate::config::Level;
use crate::metrics;
use crate::report::figures::row::Row;
use crate::stats::rounded;

/// The metrics whose distribution is reported, in their order.
const METRICS: [&str; 7] = [
    "ttft_ms",
    "tpot_ms",
    "itl_ms",
    "e2e_latency_ms",
    "e2e_from_schedule_ms",
    "input_tokens",
    "output_tokens",
];
/// Those of them that the config fixes: shown where they vary.
const ASKED: [&str; 2] = ["input_tokens", "output_tokens"];
/// Up to this many values, a curve has all of them.
const ALL_UP_TO: usize = 200;
/// Digits of a value.
const DIGITS: i32 = 5;

/// The distribution of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Name of the metric, as in `cells.json`.
    pub metric: String,
    /// One curve per level and backend with values, levels first.
    pub curves: Vec<DistributionCurve>,
}

/// The empirical distribution of one metric of one backend at one level, over
/// the requests of all repeats together: points on its steps, which are the
/// values themselves and never interpolated. Up to 200 values are all there;
/// of more there are a hundred and more, denser towards the largest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistributionCurve {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Values in the sample.
    pub n: usize,
    /// Shares of the sample, ascending from 0 to 1.
    pub share: Vec<f64>,
    /// For each share the smallest value of the sample that at least this share
    /// of it does not exceed, in the unit of the metric: the smallest of all for
    /// 0, the largest for 1.
    pub value: Vec<f64>,
}

/// The distributions of a report.
pub(crate) fn all(rows: &[Row], cells: &[MeasuredCell<'_>]) -> Vec<Distribution> {
    let found = METRICS.iter().filter_map(|name| {
        let metric = metrics::named(name)?;
        let curves: Vec<DistributionCurve> = rows
            .iter()
            .filter_map(|row| {
                let own = cells.iter().filter(|cell| row.is_made_of(&cell.row));
                let own = own.map(|cell| cell.digest);
                let mut share = Vec::new();
                let (n, value) = fold::order_statistics(metric, own, |n| {
                    share = shares(n);
                    share.iter().map(|share| rank(*share, n)).collect()
                });
                (n > 0).then(|| DistributionCurve {
                    backend: row.backend.clone(),
                    level: row.level,
                    n,
                    share: share.iter().map(|share| rounded(*share, DIGITS)).collect(),
                    value: value.iter().map(|value| rounded(*value, DIGITS)).collect(),
                })
            })
            .collect();
        let varies = |curve: &DistributionCurve| curve.value.first() != curve.value.last();
        let says_something = !ASKED.contains(name) || curves.iter().any(varies);
        (!curves.is_empty() && says_something).then(|| Distribution {
            metric: (*name).to_owned(),
            curves,
        })
    });
    found.collect()
}

/// The shares at which a sample of `n` is reported; none if it is empty.
fn shares(n: usize) -> Vec<f64> {
    if n == 0 {
        return Vec::new();
    }
    if n <= ALL_UP_TO {
        return (0..=n).map(|rank| rank as f64 / n as f64).collect();
    }
    let mut shares = vec![0.0, 0.001, 0.002, 0.005];
    shares.extend((1..=99).map(|percent| f64::from(percent) / 100.0));
    shares.extend((991..=999).map(|share| f64::from(share) / 1000.0));
    shares.extend([0.9995, 0.9999, 0.99999, 1.0]);
    shares
}

/// Where the smallest value stands that this share of `n` values does not
/// exceed, from 0.
fn rank(share: f64, n: usize) -> usize {
    // A share of k/n is that of k values, whatever the division made of it.
    let at_least = (share * n as f64 - 1e-6).ceil().max(0.0) as usize;
    at_least.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_sample_is_reported_value_by_value() {
        for n in [1, 3, 7, 49, 200] {
            let ranks: Vec<usize> = shares(n).iter().map(|share| rank(*share, n)).collect();
            let mut each: Vec<usize> = vec![0];
            each.extend(0..n);
            assert_eq!(ranks, each, "{n} values");
        }
        assert!(shares(0).is_empty());
    }

    #[test]
    fn a_large_sample_keeps_its_extremes_and_its_tail() {
        let n = 1_000_000;
        let shares = shares(n);
        assert!(shares.len() <= ALL_UP_TO);
        assert!(shares.is_sorted());
        let ranks: Vec<usize> = shares.iter().map(|share| rank(*share, n)).collect();
        assert_eq!((ranks[0], ranks[shares.len() - 1]), (0, n - 1));
        for (share, place) in [(0.5, 499_999), (0.99, 989_999), (0.9999, 999_899)] {
            let at = shares.iter().position(|known| *known == share).unwrap();
            assert_eq!(ranks[at], place, "{share}");
        }
    }
}
