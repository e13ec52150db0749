//! Whether values rise or fall in the order in which they came, if each may depend
//! on those before it. Pure statistics; what follows for backends is up to the report.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::stats::median;

/// Values below which a trend is not looked for: the test's normal
/// approximation is fair from about ten on.
pub const MIN_TREND: usize = 10;
/// Most that one value is taken to depend on the one before.
const MOST_DEPENDENT: f64 = 0.999;
/// Fewest degrees of freedom that so dependent values are taken to have.
const LEAST_FREEDOM: f64 = 0.5;

/// A monotonic trend of values in their order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// Kendall's tau of value and place: -1 to 1.
    pub tau: f64,
    /// Two-sided p value of the test of Mann (1945) and Kendall, with ties, if each
    /// value depends on the one before it as these do.
    pub p: f64,
    /// The same if the values were independent of each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_if_independent: Option<f64>,
    /// How much each value is taken to depend on the one before it: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependence: Option<f64>,
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
    let slopes = pairs().map(|(i, j)| (values[j] - values[i]) / (j - i) as f64);
    let slope = median(slopes)?;
    let middle = median(values.iter().copied())?;
    let dependence = dependence(values, slope);
    (middle != 0.0).then(|| Trend {
        tau: s / (n * (n - 1) / 2) as f64,
        p: p_if_dependent(z, n, dependence).min(1.0),
        p_if_independent: Some((2.0 * Normal::standard().sf(z)).min(1.0)),
        dependence: Some(dependence),
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

/// How much a value depends on the one before it: the correlation of neighbours among
/// the ranks of what is left beside the slope. A line takes some of it away, which is
/// put back (Marriott and Pope, Biometrika 41 (1954), pages 390 to 402: on average
/// (2 + 4 r) / n), and half its standard error is added, since too little makes a
/// trend of what is none.
fn dependence(values: &[f64], slope: f64) -> f64 {
    let n = values.len() as f64;
    let left = values.iter().enumerate();
    let left: Vec<f64> = left.map(|(i, value)| value - slope * i as f64).collect();
    let ranks = ranks(&left);
    let middle = (n + 1.0) / 2.0;
    let off: Vec<f64> = ranks.iter().map(|rank| rank - middle).collect();
    let squares: f64 = off.iter().map(|off| off * off).sum();
    let products: f64 = off.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let found = if squares > 0.0 {
        products / squares
    } else {
        0.0
    };
    let put_back = (n * found + 2.0) / (n - 4.0);
    (put_back + 0.5 / n.sqrt()).clamp(0.0, MOST_DEPENDENT)
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|at| ranks[*at] = rank);
        before += equal.len();
    }
    ranks
}

/// Two-sided p value of the statistic `z` of `n` values of which each depends on the
/// one before by `dependence`. The variance grows by the factor of Hamed and Rao
/// (Journal of Hydrology 204 (1998), pages 182 to 196), with the correlations of a
/// first-order process, since twenty values carry no more. The n over that factor
/// values that they are worth give the degrees of freedom of a t, as in Santer et al.
/// (Journal of Geophysical Research 105 (2000), D6, pages 7337 to 7356).
fn p_if_dependent(z: f64, n: usize, dependence: f64) -> f64 {
    let count = n as f64;
    let term = |lag: usize| {
        let left = (n - lag) as f64;
        let of_ranks = 6.0 / std::f64::consts::PI * (dependence.powi(lag as i32) / 2.0).asin();
        left * (left - 1.0) * (left - 2.0) * of_ranks
    };
    let sum: f64 = (1..n).map(term).sum();
    let factor = 1.0 + 2.0 * sum / (count * (count - 1.0) * (count - 2.0));
    let freedom = (count / factor - 2.0).max(LEAST_FREEDOM);
    let t = StudentsT::new(0.0, 1.0, freedom);
    t.map_or(1.0, |t| 2.0 * t.sf(z / factor.sqrt()))
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
        near(found.p_if_independent.unwrap(), 8.3e-5, 1e-6);
        // nothing is left beside the line: (0 + 2) / 6, and half of 1 / sqrt(10)
        near(
            found.dependence.unwrap(),
            1.0 / 3.0 + 0.5 / 10_f64.sqrt(),
            1e-12,
        );
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
        near(found.p_if_independent.unwrap(), 0.676, 1e-3);
    }

    /// Flow of the Nile at Aswan from 1871 and from 1891 on, 10^8 cubic metres a year:
    /// R's data set `Nile`. It fell in 1898.
    const NILE: [[f64; 20]; 2] = [
        [
            1120., 1160., 963., 1210., 1160., 1160., 813., 1230., 1370., 1140., 995., 935., 1110.,
            994., 1020., 960., 1180., 799., 958., 1140.,
        ],
        [
            1140., 1100., 1210., 1150., 1250., 1260., 1220., 1030., 1100., 774., 840., 874., 694.,
            940., 833., 701., 916., 692., 1020., 1050.,
        ],
    ];

    #[test]
    fn a_trend_of_values_that_depend_on_each_other_is_less_sure() {
        // by the same formulas in Python, with scipy.stats.rankdata and its t
        let flat = trend(&NILE[0]).unwrap();
        near(flat.tau, -0.242_105, 1e-6);
        near(flat.change, -0.121_717, 1e-6);
        assert_eq!(flat.dependence, Some(0.0));
        near(flat.p_if_independent.unwrap(), 0.143_305, 1e-6);
        near(flat.p, 0.160_550, 1e-6);
        let fallen = trend(&NILE[1]).unwrap();
        near(fallen.dependence.unwrap(), 0.496_672, 1e-6);
        near(fallen.p_if_independent.unwrap(), 0.009_407, 1e-6);
        near(fallen.p, 0.140_897, 1e-6);
    }
}
