//! What repeats show about what they repeat. Pure statistics; what follows for
//! backends is up to the report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Share of intervals that cover the true value.
pub const CONFIDENCE: f64 = 0.95;
/// Share of runs with as many repeats as are suggested that decide.
const POWER: f64 = 0.8;
/// Repeats up to which every exchange of signs is tried: 256 of them.
const MAX_EXACT: usize = 8;
/// Steps in which degrees of freedom are found: to a millionth and better.
const HALVINGS: usize = 40;
/// Most repeats that are ever suggested.
const MAX_BLOCKS: u32 = 1_000;

/// Most repeats of two runs together for which every way to split them is tried:
/// 12,870 of them.
const MAX_SPLIT: usize = 16;

/// Ratio of geometric means over repeats with its 95 % interval: paired by
/// repeat within a run, of two separate groups between runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Ratio of the first to the second.
    pub ratio: f64,
    /// Lower end, by Student's t on the log scale.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Repeats that both have; between runs, those of the one that has fewer.
    pub blocks: usize,
    /// Standard error of the mean log ratio.
    pub std_error: f64,
    /// Share of all exchanges of first and second within repeats (between runs:
    /// of all ways to split the repeats between the two) that give a mean log ratio as
    /// far from 0 as this one, itself included: what holds without
    /// assuming a distribution. With n repeats it is never below 2 / 2^n.
    /// Absent above 8 repeats, where the t interval is fair.
    pub permutation_p: Option<f64>,
    /// How the repeats of two runs were compared; absent if they
    /// are of one run and paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaired: Option<Unpaired>,
}

/// Two groups of repeats that are not paired: Welch's t on their log values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unpaired {
    /// Repeats of the first and of the second.
    pub blocks: [usize; 2],
    /// Standard errors of the two mean logs.
    pub std_errors: [f64; 2],
    /// Degrees of freedom by Welch and Satterthwaite; of unequal numbers of repeats,
    /// those whose t is the one of Cochran and Cox.
    pub freedom: f64,
}

impl Interval {
    /// Mean log ratio.
    fn mean(&self) -> f64 {
        self.ratio.ln()
    }

    fn freedom(&self) -> f64 {
        let paired = self.blocks as f64 - 1.0;
        self.unpaired.map_or(paired, |unpaired| unpaired.freedom)
    }

    /// One-sided p value of a true log ratio above `margin`: the probability of a
    /// mean at least this high if the true one were on it, by Student's t.
    #[must_use]
    pub fn p_above(&self, margin: f64) -> f64 {
        self.p_of(self.mean() - margin)
    }

    /// The same of a true log ratio below `margin`.
    #[must_use]
    pub fn p_below(&self, margin: f64) -> f64 {
        self.p_of(margin - self.mean())
    }

    /// p value of a true log ratio within `margin` of 0 on both sides: the larger
    /// of two one-sided ones. Source: Schuirmann, Journal of Pharmacokinetics and
    /// Biopharmaceutics 15 (1987), pages 657 to 680.
    #[must_use]
    pub fn p_within(&self, margin: f64) -> f64 {
        self.p_above(-margin).max(self.p_below(margin))
    }

    /// Probability of a mean at least this far on the side of the claim.
    fn p_of(&self, distance: f64) -> f64 {
        if self.std_error == 0.0 {
            return if distance > 0.0 { 0.0 } else { 1.0 };
        }
        match StudentsT::new(0.0, 1.0, self.freedom()) {
            Ok(t) => t.sf(distance / self.std_error),
            Err(_) => 1.0,
        }
    }

    /// Repeats in all (between runs: of each) with which half the interval's width on
    /// the log scale would be below `distance` in four of five tries, if mean and
    /// scatter are what these show; `None` beyond a thousand. The interval leaves
    /// `tail` on each side, above 0 and below a half: that which one of several tests
    /// faces. A test of power 0.8 by Student's t (Chow, Shao and Wang, Sample Size
    /// Calculations in Clinical Research, chapter 3), with a central t for the power.
    #[must_use]
    pub fn blocks_to_clear(&self, distance: f64, tail: f64) -> Option<u32> {
        let clears = |n: &u32| {
            let (error, freedom) = self.with_blocks(f64::from(*n));
            let of_test = quantile_at(freedom, tail);
            let of_power = quantile_at(freedom, 1.0 - POWER);
            of_test
                .zip(of_power)
                .is_some_and(|(t, more)| (t + more) * error < distance)
        };
        (2..=MAX_BLOCKS).find(clears)
    }

    /// Standard error and degrees of freedom that `n` repeats, of each group,
    /// would likely have.
    fn with_blocks(&self, n: f64) -> (f64, f64) {
        let Some(Unpaired {
            blocks, std_errors, ..
        }) = self.unpaired
        else {
            let scatter = self.std_error * (self.blocks as f64).sqrt();
            return (scatter / n.sqrt(), n - 1.0);
        };
        let variance = |group: usize| std_errors[group].powi(2) * blocks[group] as f64;
        let squares = [variance(0) / n, variance(1) / n];
        let error = squares.iter().sum::<f64>().sqrt();
        (error, welch_satterthwaite(squares, [n, n]))
    }
}

/// How many times its lower end the upper end of an interval may be, so that it still
/// says something.
const WIDEST: f64 = 100.0;

/// Whether an interval says anything: one of two repeats that scatter reaches from
/// nearly nothing to nearly everything.
#[must_use]
pub fn is_bounded(low: f64, high: f64) -> bool {
    low > 0.0 && high / low <= WIDEST
}

/// Upper quantile of Student's t that leaves half of what is not covered.
pub(super) fn quantile(freedom: f64) -> Option<f64> {
    quantile_at(freedom, (1.0 - CONFIDENCE) / 2.0)
}

fn quantile_at(freedom: f64, tail: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(1.0 - tail))
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
        unpaired: None,
    })
}

/// Ratio of geometric means of two groups that are not paired, with a 95 %
/// interval by Welch's t on the log values. `None` if a group has fewer than two
/// values, or if a value is not above 0. Source: Welch, Biometrika 34 (1947),
/// pages 28 to 35. Of groups of unequal size that interval is too narrow where the
/// smaller one scatters more, so its t is then the wider one of Cochran and Cox
/// (Experimental Designs, 1957, section 4.14).
#[must_use]
pub fn unpaired_ratio(first: &[f64], second: &[f64]) -> Option<Interval> {
    let few = first.len().min(second.len()) < 2;
    if few || first.iter().chain(second).any(|value| *value <= 0.0) {
        return None;
    }
    let logs = [first, second].map(|values| values.iter().map(|v| v.ln()).collect::<Vec<_>>());
    let n = [first.len() as f64, second.len() as f64];
    let means = [mean(&logs[0]), mean(&logs[1])];
    let square = |group: usize| {
        let squares = logs[group].iter().map(|log| (log - means[group]).powi(2));
        squares.sum::<f64>() / (n[group] - 1.0) / n[group]
    };
    let squares = [square(0), square(1)];
    let freedom = match n[0] == n[1] {
        true => welch_satterthwaite(squares, n),
        false => cochran_cox(squares, n)?,
    };
    let difference = means[0] - means[1];
    let std_error = squares.iter().sum::<f64>().sqrt();
    let t = quantile(freedom)?;
    Some(Interval {
        ratio: difference.exp(),
        low: (difference - t * std_error).exp(),
        high: (difference + t * std_error).exp(),
        blocks: first.len().min(second.len()),
        std_error,
        permutation_p: split_p(&logs[0], &logs[1]),
        unpaired: Some(Unpaired {
            blocks: [first.len(), second.len()],
            std_errors: squares.map(f64::sqrt),
            freedom,
        }),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Degrees of freedom of a difference of means whose squared standard errors
/// and group sizes are given; those of equal variances if nothing scatters.
fn welch_satterthwaite(squares: [f64; 2], n: [f64; 2]) -> f64 {
    let sum = squares[0] + squares[1];
    if sum == 0.0 {
        return n[0] + n[1] - 2.0;
    }
    let parts = squares[0].powi(2) / (n[0] - 1.0) + squares[1].powi(2) / (n[1] - 1.0);
    sum.powi(2) / parts
}

/// Degrees of freedom of which Student's t has the quantile of Cochran and Cox: the
/// mean of both groups' quantiles, each weighted by its squared standard error. Found
/// by halving, since a quantile falls as the degrees rise.
fn cochran_cox(squares: [f64; 2], n: [f64; 2]) -> Option<f64> {
    let sum = squares[0] + squares[1];
    if sum == 0.0 {
        return Some(n[0] + n[1] - 2.0);
    }
    let each = [quantile(n[0] - 1.0)?, quantile(n[1] - 1.0)?];
    let wanted = (squares[0] * each[0] + squares[1] * each[1]) / sum;
    let (mut few, mut many) = (n[0].min(n[1]) - 1.0, n[0].max(n[1]) - 1.0);
    for _ in 0..HALVINGS {
        let middle = (few + many) / 2.0;
        if quantile(middle)? > wanted {
            few = middle;
        } else {
            many = middle;
        }
    }
    Some((few + many) / 2.0)
}

/// Exact two-sided permutation test of equal means: every way to split all
/// values to groups of these sizes.
fn split_p(first: &[f64], second: &[f64]) -> Option<f64> {
    let all: Vec<f64> = first.iter().chain(second).copied().collect();
    if all.len() > MAX_SPLIT {
        return None;
    }
    let total: f64 = all.iter().sum();
    let distance = |of_first: f64| {
        let other = (total - of_first) / second.len() as f64;
        (of_first / first.len() as f64 - other).abs()
    };
    let seen = distance(first.iter().sum());
    let splits = (0_u32..1 << all.len()).filter(|split| split.count_ones() as usize == first.len());
    let (mut count, mut as_far) = (0_u32, 0_u32);
    for split in splits {
        let in_first = all.iter().enumerate().filter(|(i, _)| split >> i & 1 == 1);
        let of_first: f64 = in_first.map(|(_, log)| log).sum();
        count += 1;
        // Sums in another order differ in their last digits.
        as_far += u32::from(distance(of_first) >= seen - 1e-12 * (1.0 + seen));
    }
    Some(f64::from(as_far) / f64::from(count))
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

/// Two-sided p value of the mean of `values` not being 0 (Student's t of one sample);
/// `None` below two values.
#[must_use]
pub fn p_of_mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let std_error = (squares / (n - 1.0) / n).sqrt();
    Some(match std_error == 0.0 {
        true => f64::from(u8::from(mean == 0.0)),
        false => 2.0 * t.sf(mean.abs() / std_error),
    })
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

/// Level that the next of the tests that do not hold faces: `alpha` over their
/// number, `alpha` if all hold.
#[must_use]
pub fn holm_next(holds: &[bool], alpha: f64) -> f64 {
    let open = holds.iter().filter(|holds| !**holds).count();
    alpha / open.max(1) as f64
}

#[cfg(test)]
mod tests;
