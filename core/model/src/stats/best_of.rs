//! Which of several candidates is best, where each was measured in the same blocks and
//! the best was picked by looking. Pure statistics; what follows for settings is up to the
//! report.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::inference::CONFIDENCE;

/// What blocks show of candidates: a randomised complete block design on the log scale
/// (Box, Hunter and Hunter, Statistics for Experimenters, chapter 4), whose scatter is that
/// of all candidates together.
#[derive(Debug, Clone, PartialEq)]
pub struct BestOf {
    /// Places of the candidates, best first.
    pub order: Vec<usize>,
    /// Geometric mean of each over the blocks, in the order of the candidates.
    pub means: Vec<f64>,
    /// The best against each other, in `order`, which holds for all of them together
    /// (Bonferroni): who is picked as the best, and who comes next, may be chance.
    pub against: Vec<Against>,
    /// What follows.
    pub verdict: BestVerdict,
}

/// The best against another candidate: their ratio and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Against {
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
}

/// What several candidates show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BestVerdict {
    /// The best is better than every other, by more than the margin.
    Better,
    /// No two of them differ by more than the margin.
    Equal,
    /// Neither is shown.
    Open,
}

/// The best of `candidates`, each a list of its values above 0, one for each block, more
/// being better; `margin`: the smallest log ratio that counts. `None` below two candidates
/// or two blocks, or if the lists are not of one length.
#[must_use]
pub fn best_of(candidates: &[Vec<f64>], margin: f64) -> Option<BestOf> {
    let (k, n) = (candidates.len(), candidates.first()?.len());
    let is_full = |own: &Vec<f64>| own.len() == n && own.iter().all(|value| *value > 0.0);
    if k < 2 || n < 2 || !candidates.iter().all(is_full) {
        return None;
    }
    let logs: Vec<Vec<f64>> = candidates
        .iter()
        .map(|own| own.iter().map(|value| value.ln()).collect())
        .collect();
    let means: Vec<f64> = logs
        .iter()
        .map(|own| own.iter().sum::<f64>() / n as f64)
        .collect();
    let freedom = ((k - 1) * (n - 1)) as f64;
    let error = (2.0 * residual_squares(&logs, &means) / freedom / n as f64).sqrt();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|a, b| means[*b].total_cmp(&means[*a]));
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let together = error * t.inverse_cdf(1.0 - tail / (k - 1) as f64);
    let best = means[order[0]];
    let against = order[1..].iter().map(|other| {
        let log = best - means[*other];
        Against {
            ratio: log.exp(),
            low: (log - together).exp(),
            high: (log + together).exp(),
        }
    });
    let against: Vec<Against> = against.collect();
    // All pairs lie within the margin if the two that are farthest apart do, which needs no
    // correction for their number (Berger, Technometrics 24 (1982), pages 295 to 300).
    let widest = best - means[order[k - 1]] + error * t.inverse_cdf(1.0 - tail);
    let verdict = if against.iter().all(|own| own.low.ln() > margin) {
        BestVerdict::Better
    } else if widest < margin {
        BestVerdict::Equal
    } else {
        BestVerdict::Open
    };
    Some(BestOf {
        order,
        means: means.iter().map(|mean| mean.exp()).collect(),
        against,
        verdict,
    })
}

/// What is left when candidate and block are taken out, squared and summed.
fn residual_squares(logs: &[Vec<f64>], means: &[f64]) -> f64 {
    let (k, n) = (logs.len() as f64, logs[0].len());
    let all = means.iter().sum::<f64>() / k;
    let of_block = |block: usize| logs.iter().map(|own| own[block]).sum::<f64>() / k;
    let blocks: Vec<f64> = (0..n).map(of_block).collect();
    let each = logs.iter().zip(means).flat_map(|(own, mean)| {
        let rest = own.iter().zip(&blocks);
        rest.map(move |(log, block)| (log - mean - block + all).powi(2))
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: f64 = 0.029_558_802; // ln 1.03

    /// Candidates whose log values lie around `means`, with residuals that cancel in each
    /// row and column: plus and minus `off`, in three blocks.
    fn candidates(means: [f64; 3], off: f64) -> Vec<Vec<f64>> {
        let rest = [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
        let row =
            |(mean, rest): (&f64, &[f64; 3])| rest.iter().map(|r| (mean + off * r).exp()).collect();
        means.iter().zip(&rest).map(row).collect()
    }

    #[test]
    fn ends_are_those_of_a_table() {
        // Four squares of 0.01 over four degrees of freedom: 0.01 squared. The error of a
        // difference is 0.01 * sqrt(2 / 3) = 0.008165; t(4) at 0.0125 is 3.495 (table).
        let found = best_of(&candidates([0.1, 0.2, 0.0], 0.01), MARGIN).unwrap();
        assert_eq!(found.order, [1, 0, 2]);
        let next = found.against[0];
        assert!((next.ratio.ln() - 0.1).abs() < 1e-12);
        assert!((next.low.ln() - (0.1 - 3.4954 * 0.008_165)).abs() < 1e-5);
        assert!((next.high.ln() - (0.1 + 3.4954 * 0.008_165)).abs() < 1e-5);
        assert_eq!(found.verdict, BestVerdict::Better);
    }

    #[test]
    fn near_ones_are_equal_and_scattered_ones_are_open() {
        // t(4) at 0.025 is 2.776: 0.005 + 2.776 * 0.008165 = 0.0277 is within the margin.
        let near = best_of(&candidates([0.005, 0.0, 0.0], 0.01), MARGIN).unwrap();
        assert_eq!(near.verdict, BestVerdict::Equal);
        let open = best_of(&candidates([0.005, 0.0, 0.0], 0.02), MARGIN).unwrap();
        assert_eq!(open.verdict, BestVerdict::Open);
    }

    #[test]
    fn a_block_that_is_slow_for_all_of_them_says_nothing() {
        let mut slowed = candidates([0.1, 0.2, 0.0], 0.01);
        for own in &mut slowed {
            own[2] *= 0.5;
        }
        let even = best_of(&candidates([0.1, 0.2, 0.0], 0.01), MARGIN).unwrap();
        let slowed = best_of(&slowed, MARGIN).unwrap();
        assert!((even.against[0].low - slowed.against[0].low).abs() < 1e-9);
    }

    #[test]
    fn one_block_or_one_candidate_shows_nothing() {
        assert_eq!(best_of(&[vec![1.0], vec![2.0]], MARGIN), None);
        assert_eq!(best_of(&[vec![1.0, 2.0]], MARGIN), None);
        assert_eq!(best_of(&[vec![1.0, 2.0], vec![1.0]], MARGIN), None);
    }
}
