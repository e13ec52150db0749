//! What repeats say about what they repeat. Pure statistics; what follows for
//! backends is the report's business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Share of intervals that cover the truth.
pub const CONFIDENCE: f64 = 0.95;
/// Repeats up to which every exchange of signs is tried: 256 of them.
const MAX_EXACT: usize = 8;
/// Repeats beyond which nobody will go.
const MAX_BLOCKS: u32 = 1_000;

/// Ratio of geometric means over repeats with its 95 % interval, paired by
/// repeat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Ratio of the first to the second.
    pub ratio: f64,
    /// Lower end, by Student's t on the log scale.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Repeats that both have.
    pub blocks: usize,
    /// Standard error of the mean log ratio.
    pub std_error: f64,
    /// Share of all exchanges of first and second within repeats that give a
    /// mean log ratio as far from 0 as this one, itself included: what can be
    /// said without assuming a distribution. With n repeats it is never below
    /// 2 / 2^n. Absent above 8 repeats, where the t interval is fair.
    pub permutation_p: Option<f64>,
}

impl Interval {
    /// Mean log ratio.
    fn mean(&self) -> f64 {
        self.ratio.ln()
    }

    fn freedom(&self) -> f64 {
        self.blocks as f64 - 1.0
    }

    /// Probability of a mean log ratio at least as far beyond `margin` (a log
    /// ratio) if the truth lay on it: one-sided, Student's t.
    #[must_use]
    pub fn p_beyond(&self, margin: f64) -> f64 {
        let beyond = self.mean().abs() - margin;
        if self.std_error == 0.0 {
            return if beyond > 0.0 { 0.0 } else { 1.0 };
        }
        match StudentsT::new(0.0, 1.0, self.freedom()) {
            Ok(t) => t.sf(beyond / self.std_error),
            Err(_) => 1.0,
        }
    }

    /// Repeats in all with which the interval would likely lie on one side of
    /// `margin` (a log ratio), if mean and scatter stayed as they are; `None`
    /// beyond a thousand.
    #[must_use]
    pub fn blocks_to_decide(&self, margin: f64) -> Option<u32> {
        let distance = (self.mean().abs() - margin).abs();
        let scatter = self.std_error * (self.blocks as f64).sqrt();
        let decides = |n: &u32| {
            let n = f64::from(*n);
            quantile(n - 1.0).is_some_and(|t| t * scatter / n.sqrt() < distance)
        };
        (2..=MAX_BLOCKS).find(decides)
    }
}

/// Upper quantile of Student's t that leaves half of what is not covered.
fn quantile(freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(1.0 - (1.0 - CONFIDENCE) / 2.0))
}

/// Ratio of geometric means of `(a, b)` pairs with a 95 % t interval on the
/// log scale, n - 1 degrees of freedom. `None` below two pairs, or if a value
/// is not above 0.
#[must_use]
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Interval> {
    if pairs.len() < 2 || pairs.iter().any(|(a, b)| *a <= 0.0 || *b <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = pairs.iter().map(|(a, b)| (a / b).ln()).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let std_error = (squares / (n - 1.0) / n).sqrt();
    let t = quantile(n - 1.0)?;
    Some(Interval {
        ratio: mean.exp(),
        low: (mean - t * std_error).exp(),
        high: (mean + t * std_error).exp(),
        blocks: logs.len(),
        std_error,
        permutation_p: permutation_p(&logs),
    })
}

/// Exact two-sided sign-flip test of mean 0.
fn permutation_p(logs: &[f64]) -> Option<f64> {
    if logs.len() > MAX_EXACT {
        return None;
    }
    let seen = logs.iter().sum::<f64>().abs();
    let all = 1_u32 << logs.len();
    let flipped = |signs: u32| -> f64 {
        let signed = logs.iter().enumerate();
        signed
            .map(|(i, log)| if signs >> i & 1 == 1 { -log } else { *log })
            .sum()
    };
    // Sums in another order differ in their last digits.
    let as_far = |signs: &u32| flipped(*signs).abs() >= seen * (1.0 - 1e-12);
    Some((0..all).filter(as_far).count() as f64 / f64::from(all))
}

/// Which of several one-sided p values hold together at `alpha` (Holm 1979):
/// the chance that any of them holds wrongly is at most `alpha`.
#[must_use]
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut holds = vec![false; p_values.len()];
    for (rank, index) in order.iter().enumerate() {
        if p_values[*index] > alpha / (p_values.len() - rank) as f64 {
            break;
        }
        holds[*index] = true;
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn the_interval_is_students_over_log_ratios() {
        // ratios 2 and 8: logs ln 2 and 3 ln 2, mean 2 ln 2, standard error ln 2,
        // t(0.975, 1) = 12.7062 (table), so 4 * 2^±12.7062
        let interval = paired_ratio(&[(2.0, 1.0), (8.0, 1.0)]).unwrap();
        near(interval.ratio, 4.0, 1e-9);
        near(interval.high / (4.0 * 2f64.powf(12.7062)), 1.0, 1e-3);
        near(interval.low * 2f64.powf(12.7062) / 4.0, 1.0, 1e-3);
        // of the four exchanges ++ and -- are as far from 0
        assert_eq!(interval.permutation_p, Some(0.5));
    }

    #[test]
    fn one_pair_or_a_value_of_nothing_has_no_interval() {
        assert_eq!(paired_ratio(&[(2.0, 1.0)]), None);
        assert_eq!(paired_ratio(&[(2.0, 1.0), (0.0, 1.0)]), None);
    }

    #[test]
    fn three_repeats_cannot_do_without_a_distribution() {
        let interval = paired_ratio(&[(2.0, 1.0), (2.1, 1.0), (1.9, 1.0)]).unwrap();
        assert_eq!(interval.permutation_p, Some(2.0 / 8.0));
    }

    #[test]
    fn a_p_value_beyond_the_margin_is_below_a_fortieth_just_when_the_interval_clears_it() {
        let interval = paired_ratio(&[(1.10, 1.0), (1.12, 1.0), (1.08, 1.0)]).unwrap();
        for margin in [interval.low - 1e-6, interval.low + 1e-6] {
            let clears = interval.low > margin;
            assert_eq!(interval.p_beyond(margin.ln()) < 0.025, clears);
        }
        let equal = paired_ratio(&[(1.5, 1.0), (1.5, 1.0)]).unwrap();
        assert!(equal.p_beyond(0.03) < 1e-6);
    }

    #[test]
    fn holm_steps_down_from_the_smallest() {
        // 0.01 <= 0.05 / 4, 0.015 <= 0.05 / 3, 0.03 > 0.05 / 2: it ends there
        let holds = holm(&[0.03, 0.01, 0.04, 0.015], 0.05);
        assert_eq!(holds, [false, true, false, true]);
        assert!(holm(&[], 0.05).is_empty());
    }

    #[test]
    fn repeats_to_decide_follow_from_scatter_and_distance() {
        // logs 0.10 and 0.14: mean 0.12, scatter 0.0283; distance to 0.03 is 0.09.
        // n = 2: 12.706 * 0.0283 / 1.414 = 0.254; n = 3: 4.303 * 0.0283 / 1.732 = 0.0703
        let pairs = [(0.10_f64.exp(), 1.0), (0.14_f64.exp(), 1.0)];
        let interval = paired_ratio(&pairs).unwrap();
        assert_eq!(interval.blocks_to_decide(0.03), Some(3));
        let level = paired_ratio(&[(0.03_f64.exp(), 1.0), (0.03_f64.exp(), 1.0)]).unwrap();
        assert_eq!(level.blocks_to_decide(0.03_f64.exp().ln()), None);
    }
}
