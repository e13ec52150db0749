//! Whether values rise or fall in the order in which they came. Pure
//! statistics; what follows for backends is up to the report.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::median;

/// Values below which a trend is not looked for: the test's normal
/// approximation is fair from about ten on.
pub const MIN_TREND: usize = 10;

/// A monotonic trend of values in their order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// Kendall's tau of value and place: -1 to 1.
    pub tau: f64,
    /// Two-sided p value of the test of Mann (1945) and Kendall, with ties.
    pub p: f64,
    /// Change from the first to the last value along the slope of Sen (1968),
    /// as a share of the median.
    pub change: f64,
}

/// The trend of `values`, in the order in which they came. `None` below ten
/// values, if all are equal, or if their median is 0.
#[must_use]
pub fn trend(values: &[f64]) -> Option<Trend> {
    let n = values.len();
    if n < MIN_TREND {
        return None;
    }
    let pairs = || (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let sign = |(i, j): (usize, usize)| match values[j].total_cmp(&values[i]) {
        Ordering::Greater => 1.0,
        Ordering::Less => -1.0,
        Ordering::Equal => 0.0,
    };
    let s: f64 = pairs().map(sign).sum();
    let variance = variance_of_s(values);
    if variance <= 0.0 {
        return None;
    }
    let z = (s.abs() - 1.0).max(0.0) / variance.sqrt();
    let p = 2.0 * Normal::standard().sf(z);
    let slopes = pairs().map(|(i, j)| (values[j] - values[i]) / (j - i) as f64);
    let slope = median(slopes)?;
    let middle = median(values.iter().copied())?;
    (middle != 0.0).then(|| Trend {
        tau: s / (n * (n - 1) / 2) as f64,
        p: p.min(1.0),
        change: slope * (n - 1) as f64 / middle.abs(),
    })
}

fn variance_of_s(values: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties = sorted.chunk_by(|a, b| a == b);
    let ties: f64 = ties.map(|group| term(group.len() as f64)).sum();
    (term(values.len() as f64) - ties) / 18.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn a_rising_row_has_a_trend_and_a_level_one_has_none() {
        let rising: Vec<f64> = (0..10).map(|i| 100.0 + f64::from(i)).collect();
        let found = trend(&rising).unwrap();
        // S = 45, variance 10 * 9 * 25 / 18 = 125, z = 44 / 11.18 = 3.935
        near(found.tau, 1.0, 1e-12);
        near(found.p, 8.3e-5, 1e-6);
        // slope 1, over 9 steps, median 104.5
        near(found.change, 9.0 / 104.5, 1e-12);
        assert_eq!(trend(&[5.0; 20]), None);
        assert_eq!(trend(&rising[..9]), None);
    }

    #[test]
    fn ties_take_from_the_variance() {
        // 1 and 2 in turn, five times: of the pairs of unlike values 15 rise and
        // 10 fall, S = 5; variance (10 * 9 * 25 - 2 * 5 * 4 * 15) / 18 = 91.67,
        // z = 4 / 9.574 = 0.4178, p = 0.676
        let values: Vec<f64> = (0..10).map(|i| f64::from(i % 2 + 1)).collect();
        let found = trend(&values).unwrap();
        near(found.tau, 5.0 / 45.0, 1e-12);
        near(found.p, 0.676, 1e-3);
    }
}
