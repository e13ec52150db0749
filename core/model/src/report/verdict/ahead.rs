//! In how many repeats the best backend was ahead, whatever that proves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::RepeatPairs;
use super::pairwise::Pair;
use crate::metrics::Better;

/// The best backend repeat by repeat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ahead {
    /// Repeats in which it was better than every other.
    pub repeats: usize,
    /// Repeats that it shares with the others: those of the one with fewest.
    pub of: usize,
    /// Smallest ratio of the best to the second in a repeat; absent if the second gave
    /// nothing.
    pub least: Option<f64>,
    /// Largest ratio; absent if the second gave nothing in some repeat.
    pub most: Option<f64>,
}

impl Ahead {
    /// `pairs`: of the best with every other, the second first; at least one. `None`
    /// if some repeats cannot be paired.
    pub(crate) fn from_pairs(pairs: &[Pair<'_>]) -> Option<Self> {
        let each: Vec<Vec<f64>> = pairs.iter().map(ratios).collect();
        let of = each.iter().map(Vec::len).min().filter(|n| *n > 0)?;
        let better = pairs[0].metric.better;
        let leads = |ratio: f64| match better {
            Better::Higher => ratio > 1.0,
            _ => ratio < 1.0,
        };
        let behind = |own: &Vec<f64>| own.iter().filter(|ratio| !leads(**ratio)).count();
        let most_behind = each.iter().map(behind).max().unwrap_or(0);
        let finite = |ratio: f64| ratio.is_finite().then_some(ratio);
        let of_second = each[0].iter().copied();
        Some(Self {
            repeats: of.saturating_sub(most_behind),
            of,
            least: finite(of_second.clone().fold(f64::INFINITY, f64::min)),
            most: finite(of_second.fold(f64::NEG_INFINITY, f64::max)),
        })
    }

    /// Whether that was so in all of two or more.
    pub(crate) fn in_all(&self) -> bool {
        self.of > 1 && self.repeats == self.of
    }
}

fn ratios(pair: &Pair<'_>) -> Vec<f64> {
    RepeatPairs::new(pair.first, pair.second, pair.metric.name).ratios()
}
