//! Statistics of samples: percentiles, mean, deviation.

pub mod best_of;
pub(crate) mod histogram;
pub mod inference;
pub mod numbers;
pub mod packed;
pub mod slope;
pub mod trend;
pub(crate) mod varint;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::stats::inference::quantile;
use crate::stats::packed::Pool;

/// A statistic that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum StatsError {
    /// No data is never reported as 0.
    #[error("the sample is empty")]
    EmptySample,
    /// `p` lies outside 0..=100 or is NaN.
    #[error("percent is {p}, must be within 0..=100")]
    PercentOutOfRange {
        /// The percent that was asked for.
        p: f64,
    },
}

/// Percentile with linear interpolation (type 7 of Hyndman & Fan 1996,
/// NumPy's default).
///
/// `sorted`: n >= 1 finite values, ascending, one unit, which the result
/// shares. `p`: 0 to 100.
///
/// # Errors
/// `EmptySample` if n = 0: no data is never reported as 0.
/// `PercentOutOfRange` if `p` lies outside 0..=100 or is NaN.
pub fn percentile(sorted: &[f64], p: f64) -> Result<f64, StatsError> {
    if !(0.0..=100.0).contains(&p) {
        return Err(StatsError::PercentOutOfRange { p });
    }
    let last = sorted.len().checked_sub(1).ok_or(StatsError::EmptySample)?;
    let place = RankPair::at_percent(p, last);
    Ok(place.between(sorted[place.below], sorted[place.above]))
}

/// Median of values in any order; `None` if there is none.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50.0).ok()
}

/// The two neighbours in a sorted sample between which a percentile lies.
struct RankPair {
    below: usize,
    above: usize,
    share: f64,
}

impl RankPair {
    fn at_percent(p: f64, last: usize) -> Self {
        let rank = p / 100.0 * last as f64;
        let below = rank.floor() as usize;
        Self {
            below,
            above: (below + 1).min(last),
            share: rank - below as f64,
        }
    }

    fn between(&self, below: f64, above: f64) -> f64 {
        below + (above - below) * self.share
    }
}

/// A value to so many significant digits; as it is if it is not finite.
#[must_use]
pub fn rounded(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let places = digits - 1 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(places.abs());
    if places >= 0 {
        (value * scale).round() / scale
    } else {
        (value / scale).round() * scale
    }
}

/// Samples that a percentile needs so that at least one lies beyond it:
/// 1 / (1 - p/100), so 10 for p90 and 100 for p99.
#[must_use]
pub fn samples_needed(p: f64) -> usize {
    (100.0 / (100.0 - p)).round() as usize
}

/// Percentiles of a [`Summary`].
const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// The 95 % interval of a figure of several repeats taken together, `whole`, by what
/// the same figure is in each of them: sectioning (Asmussen and Glynn, Stochastic
/// Simulation, 2007, section III.5; Nakayama, ACM Transactions on Modeling and Computer
/// Simulation 24 (2014), article 19), on the log scale. It holds for percentiles of
/// values that depend on each other within a repeat, since it takes only repeats to be
/// independent. `None` below two repeats, or if a figure is not above 0.
#[must_use]
pub fn sectioned(whole: f64, of_repeats: &[f64]) -> Option<(f64, f64)> {
    let n = of_repeats.len() as f64;
    if n < 2.0 || whole <= 0.0 || of_repeats.iter().any(|own| *own <= 0.0) {
        return None;
    }
    let squares: f64 = of_repeats
        .iter()
        .map(|own| (own / whole).ln().powi(2))
        .sum();
    let half = quantile(n - 1.0)? * (squares / (n - 1.0) / n).sqrt();
    Some((whole * (-half).exp(), whole * half.exp()))
}

/// A sample in ten numbers. All but `n` are absent if n = 0, and `std`
/// (n - 1 in its denominator) also if n = 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Sample standard deviation.
    pub std: Option<f64>,
    /// Smallest value.
    pub min: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Number of values.
    pub n: usize,
}

impl Summary {
    /// The summary without those percentiles that have too few values.
    #[must_use]
    pub fn with_enough_values(mut self) -> Self {
        for (p, value) in [
            (90.0, &mut self.p90),
            (95.0, &mut self.p95),
            (99.0, &mut self.p99),
        ] {
            *value = value.filter(|_| self.n >= samples_needed(p));
        }
        self
    }

    /// Summary of `values`, which come in any order; values that are not
    /// finite are left out.
    #[must_use]
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        // Equal ones are the same bit for bit, and a stable sort would copy half of them.
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len();
        let mean = (n > 0).then(|| sorted.iter().sum::<f64>() / n as f64);
        let std = mean.filter(|_| n > 1).map(|mean| {
            let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        let at = |p| percentile(&sorted, p).ok();
        Self {
            mean,
            std,
            min: sorted.first().copied(),
            p50: at(50.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            max: sorted.last().copied(),
            n,
        }
    }

    /// Summary of whole numbers, of which `per_unit` make one unit of the
    /// result: exact, and without a copy of the sample.
    #[must_use]
    pub fn of_whole(pool: &Pool<'_>, per_unit: f64) -> Self {
        let Some(last) = pool.len().checked_sub(1) else {
            return Self::default();
        };
        let places = PERCENTILES.map(|p| RankPair::at_percent(p, last));
        let mut wanted = vec![0, last];
        wanted.extend(places.iter().flat_map(|place| [place.below, place.above]));
        let values = pool.at(&wanted);
        let mut values = values.into_iter().map(|value| value as f64 / per_unit);
        let mut pair = || values.next().zip(values.next());
        let ends = pair();
        let at = places.map(|place| pair().map(|(below, above)| place.between(below, above)));
        let [p50, p90, p95, p99] = at;
        Self {
            mean: pool.mean().map(|mean| mean / per_unit),
            std: pool.std().map(|std| std / per_unit),
            min: ends.map(|(min, _)| min),
            p50,
            p90,
            p95,
            p99,
            max: ends.map(|(_, max)| max),
            n: last + 1,
        }
    }

    /// The percentile `p` (50, 90, 95 or 99), if the sample has it, carried or not.
    #[must_use]
    pub fn at(&self, p: u32) -> Option<f64> {
        match p {
            50 => self.p50,
            90 => self.p90,
            95 => self.p95,
            99 => self.p99,
            _ => None,
        }
    }

    /// The percentile `p` (50, 90, 95 or 99), if the sample carries it.
    #[must_use]
    pub fn carried(&self, p: u32) -> Option<f64> {
        self.at(p)
            .filter(|_| self.n >= samples_needed(f64::from(p)).min(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate_linearly() {
        // numpy.percentile of the same ten values, from numpy's own issue 10736
        let sorted = [3.0, 6.0, 7.0, 8.0, 8.0, 10.0, 13.0, 15.0, 16.0, 20.0];
        for (p, expected) in [
            (25.0, 7.25),
            (50.0, 9.0),
            (75.0, 14.5),
            (90.0, 16.4),
            (100.0, 20.0),
        ] {
            let value = percentile(&sorted, p).unwrap();
            assert!((value - expected).abs() < 1e-9, "p{p}: {value}");
        }
        let p99 = percentile(&[10.0, 20.0, 30.0], 99.0).unwrap();
        assert!((p99 - 29.8).abs() < 1e-9);
    }

    #[test]
    fn no_data_is_never_zero() {
        assert_eq!(percentile(&[], 50.0), Err(StatsError::EmptySample));
        assert_eq!(Summary::from_values([]), Summary::default());
        assert_eq!(Summary::from_values([f64::NAN, f64::INFINITY]).n, 0);
    }

    #[test]
    fn one_value_has_no_deviation() {
        let summary = Summary::from_values([4.0]);
        assert_eq!((summary.mean, summary.std), (Some(4.0), None));
    }

    #[test]
    fn whole_numbers_are_summed_up_like_any_others() {
        // numpy.percentile of numpy's own issue 10736: p50 is 9, p90 is 16.4
        let mut packed = crate::stats::packed::Packed::default();
        for value in [3, 6, 7, 8, 8, 10, 13, 15, 16, 20] {
            packed.push(value * 1000);
        }
        let summary = Summary::of_whole(&Pool::new([&packed]), 1000.0);
        assert_eq!((summary.n, summary.mean), (10, Some(10.6)));
        assert_eq!((summary.min, summary.max), (Some(3.0), Some(20.0)));
        assert_eq!((summary.p50, summary.p90), (Some(9.0), Some(16.4)));
    }

    #[test]
    fn a_percent_out_of_range_is_refused() {
        assert!(percentile(&[1.0], f64::NAN).is_err());
        assert_eq!(
            percentile(&[1.0], 101.0).unwrap_err().to_string(),
            "percent is 101, must be within 0..=100"
        );
    }

    #[test]
    fn values_keep_the_digits_that_are_asked_for() {
        assert_eq!(rounded(34_359_738_368.0, 6), 34_359_700_000.0);
        assert_eq!(rounded(212.345_678_9, 6), 212.346);
        assert_eq!(rounded(212.345_678_9, 4), 212.3);
        assert_eq!(rounded(0.0, 6), 0.0);
        assert_eq!(rounded(-0.001_234_567_8, 6), -0.001_234_57);
    }

    #[test]
    fn p99_needs_a_hundred_samples() {
        assert_eq!(samples_needed(99.0), 100);
        assert_eq!(samples_needed(90.0), 10);
        let first = |n: u32| Summary::from_values((0..n).map(f64::from));
        assert_eq!(first(99).carried(99), None);
        assert!(first(100).carried(99).is_some());
    }

    #[test]
    fn repeats_bound_a_percentile_by_their_own() {
        // logs -0.1, 0 and 0.1 around the whole: squares 0.02, error sqrt(0.02 / 2 / 3)
        // = 0.05774, t(2) = 4.3027 (table)
        let own = [-0.1_f64, 0.0, 0.1].map(|log| 20.0 * log.exp());
        let (low, high) = sectioned(20.0, &own).unwrap();
        assert!((high / 20.0 - (4.3027 * 0.057_735_f64).exp()).abs() < 1e-4);
        assert!((low * high - 400.0).abs() < 1e-9);
        assert_eq!(sectioned(20.0, &[20.0]), None);
        assert_eq!(sectioned(20.0, &[20.0, 0.0]), None);
    }
}
