//! Statistics of samples: percentiles, mean, deviation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::packed::Pool;

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
    let place = Place::of(p, last);
    Ok(place.between(sorted[place.below], sorted[place.above]))
}

/// Where a percentile lies in a sorted sample.
struct Place {
    below: usize,
    above: usize,
    share: f64,
}

impl Place {
    fn of(p: f64, last: usize) -> Self {
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

/// Samples that a percentile needs so that at least one lies beyond it:
/// 1 / (1 - p/100), so 10 for p90 and 100 for p99.
#[must_use]
pub fn samples_needed(p: f64) -> usize {
    (100.0 / (100.0 - p)).round() as usize
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
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
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
        let places = [50.0, 90.0, 95.0, 99.0].map(|p| Place::of(p, last));
        let mut ranks = vec![0, last];
        ranks.extend(places.iter().flat_map(|place| [place.below, place.above]));
        let values: Vec<f64> = pool
            .at(&ranks)
            .into_iter()
            .map(|value| value as f64 / per_unit)
            .collect();
        let value = |at: usize| values.get(at).copied();
        let percentile = |at: usize| {
            let (below, above) = (value(2 + 2 * at)?, value(3 + 2 * at)?);
            Some(places[at].between(below, above))
        };
        Self {
            mean: pool.mean().map(|mean| mean / per_unit),
            std: pool.std().map(|std| std / per_unit),
            min: value(0),
            p50: percentile(0),
            p90: percentile(1),
            p95: percentile(2),
            p99: percentile(3),
            max: value(1),
            n: last + 1,
        }
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
        assert_eq!(Summary::of([]), Summary::default());
        assert_eq!(Summary::of([f64::NAN, f64::INFINITY]).n, 0);
    }

    #[test]
    fn one_value_has_no_deviation() {
        let summary = Summary::of([4.0]);
        assert_eq!((summary.mean, summary.std), (Some(4.0), None));
    }

    #[test]
    fn whole_numbers_are_summed_up_like_any_others() {
        // numpy.percentile of numpy's own issue 10736: p50 is 9, p90 is 16.4
        let mut packed = crate::packed::Packed::default();
        for value in [3, 6, 7, 8, 8, 10, 13, 15, 16, 20] {
            packed.push(value * 1000);
        }
        let summary = Summary::of_whole(&Pool::of([&packed]), 1000.0);
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
    fn p99_needs_a_hundred_samples() {
        assert_eq!(samples_needed(99.0), 100);
        assert_eq!(samples_needed(90.0), 10);
        let of = |n: u32| Summary::of((0..n).map(f64::from));
        assert_eq!(of(99).carried(99), None);
        assert!(of(100).carried(99).is_some());
    }
}
