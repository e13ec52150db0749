//! Statistics of samples: percentiles, mean, deviation.

pub(crate) mod histogram;
pub mod inference;
pub mod packed;
pub mod slope;
pub mod trend;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};
use thiserror::Error;

use crate::stats::inference::CONFIDENCE;
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

/// Ranks, from 0, of the values of a sorted sample between which the `p`th
/// percentile of what was sampled lies with a confidence of 95 % at least,
/// whatever its distribution, if the values are independent of each other.
/// `None` if the sample has no such values.
#[must_use]
pub fn percentile_ranks(n: usize, p: f64) -> Option<(usize, usize)> {
    let share = p / 100.0;
    let below = Binomial::new(share, u64::try_from(n).ok()?).ok()?;
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // The smallest value lies above the percentile with probability share^n.
    if share.powf(n as f64) > tail || (1.0 - share).powf(n as f64) > tail {
        return None;
    }
    // The number of values below the percentile is binomial: at least `low`
    // and at most `high` of them, each but for a tail.
    let low = below.inverse_cdf(tail);
    let high = below.inverse_cdf(1.0 - tail);
    let low = usize::try_from(low.saturating_sub(1)).ok()?;
    let high = usize::try_from(high).ok()?;
    (high < n).then_some((low, high))
}

/// Percentiles of a [`Summary`].
const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// The 95 % interval of each percentile of a [`Summary`], by order statistics;
/// one is absent where the sample is too small for it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds([Option<(f64, f64)>; PERCENTILES.len()]);

impl Bounds {
    /// The interval of the percentile `p` (50, 90, 95 or 99).
    #[must_use]
    pub fn interval(&self, p: u32) -> Option<(f64, f64)> {
        let place = PERCENTILES.iter().position(|own| *own == f64::from(p))?;
        self.0[place]
    }
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
    /// Summary of `values`, which come in any order; values that are not
    /// finite are left out.
    #[must_use]
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        Self::with_bounds(values).0
    }

    /// The summary with the intervals of its percentiles.
    #[must_use]
    pub fn with_bounds(values: impl IntoIterator<Item = f64>) -> (Self, Bounds) {
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let mean = (n > 0).then(|| sorted.iter().sum::<f64>() / n as f64);
        let std = mean.filter(|_| n > 1).map(|mean| {
            let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        let at = |p| percentile(&sorted, p).ok();
        let bounds = PERCENTILES.map(|p| {
            let (low, high) = percentile_ranks(n, p)?;
            Some((sorted[low], sorted[high]))
        });
        let summary = Self {
            mean,
            std,
            min: sorted.first().copied(),
            p50: at(50.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            max: sorted.last().copied(),
            n,
        };
        (summary, Bounds(bounds))
    }

    /// Summary of whole numbers, of which `per_unit` make one unit of the
    /// result: exact, and without a copy of the sample.
    #[must_use]
    pub fn of_whole(pool: &Pool<'_>, per_unit: f64) -> Self {
        Self::of_whole_with_bounds(pool, per_unit).0
    }

    /// The summary of whole numbers with the intervals of its percentiles.
    #[must_use]
    pub fn of_whole_with_bounds(pool: &Pool<'_>, per_unit: f64) -> (Self, Bounds) {
        let Some(last) = pool.len().checked_sub(1) else {
            return <(Self, Bounds)>::default();
        };
        let places = PERCENTILES.map(|p| RankPair::at_percent(p, last));
        let ranks = PERCENTILES.map(|p| percentile_ranks(last + 1, p));
        let mut wanted = vec![0, last];
        wanted.extend(places.iter().flat_map(|place| [place.below, place.above]));
        wanted.extend(ranks.iter().flatten().flat_map(|(low, high)| [low, high]));
        let values = pool.at(&wanted);
        let mut values = values.into_iter().map(|value| value as f64 / per_unit);
        let mut pair = || values.next().zip(values.next());
        let ends = pair();
        let at = places.map(|place| pair().map(|(below, above)| place.between(below, above)));
        let bounds = ranks.map(|ranks| ranks.and_then(|_| pair()));
        let [p50, p90, p95, p99] = at;
        let summary = Self {
            mean: pool.mean().map(|mean| mean / per_unit),
            std: pool.std().map(|std| std / per_unit),
            min: ends.map(|(min, _)| min),
            p50,
            p90,
            p95,
            p99,
            max: ends.map(|(_, max)| max),
            n: last + 1,
        };
        (summary, Bounds(bounds))
    }

    /// The percentile `p` (50, 90, 95 or 99), if the sample carries it.
    #[must_use]
    pub fn carried(&self, p: u32) -> Option<f64> {
        let value = match p {
            50 => self.p50,
            90 => self.p90,
            95 => self.p95,
            99 => self.p99,
            _ => None,
        };
        value.filter(|_| self.n >= samples_needed(f64::from(p)).min(100))
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
        let of = |n: u32| Summary::from_values((0..n).map(f64::from));
        assert_eq!(of(99).carried(99), None);
        assert!(of(100).carried(99).is_some());
    }

    #[test]
    fn a_percentile_lies_between_order_statistics() {
        // Conover, Practical Nonparametric Statistics: the median of 10 lies between
        // the 2nd and the 9th with 97.9 %
        assert_eq!(percentile_ranks(10, 50.0), Some((1, 8)));
        assert_eq!(percentile_ranks(5, 50.0), None);
        // 0.99^100 = 0.366: the largest of 100 is often below the p99
        assert_eq!(percentile_ranks(100, 99.0), None);
        // 0.99^368 = 0.0248: the first n that has an upper end
        assert!(percentile_ranks(367, 99.0).is_none());
        assert!(percentile_ranks(500, 99.0).is_some());
    }

    #[test]
    fn both_kinds_of_samples_have_the_same_bounds() {
        // of ten values the second and the ninth bound the median
        let values = [3, 6, 7, 8, 8, 10, 13, 15, 16, 20];
        let (_, bounds) = Summary::with_bounds(values.map(f64::from));
        assert_eq!(
            (bounds.interval(50), bounds.interval(90)),
            (Some((6.0, 16.0)), None)
        );
        let mut packed = crate::stats::packed::Packed::default();
        values
            .iter()
            .for_each(|value| packed.push(i64::from(*value) * 1000));
        let whole = Summary::of_whole_with_bounds(&Pool::new([&packed]), 1000.0);
        assert_eq!(whole.1, bounds);
    }
}
