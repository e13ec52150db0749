//! The levels of one metric, sorted by what they show.

use indexmap::IndexMap;

use super::compare::{Comparison, Outcome, Reason};
use crate::config::Level;

/// The levels of one metric, each in the list of what it shows.
#[derive(Default)]
pub(crate) struct ByOutcome<'r> {
    /// Shown to be better, by the better one.
    pub(crate) wins: IndexMap<&'r str, Vec<&'r Comparison>>,
    /// Better in the only repeat, by the better one.
    pub(crate) leads: IndexMap<&'r str, Vec<&'r Comparison>>,
    /// Shown to be equal.
    pub(crate) equal: Vec<&'r Comparison>,
    /// Better in all of several repeats, and not shown to be, by the better one.
    pub(crate) ahead: IndexMap<&'r str, Vec<&'r Comparison>>,
    /// The repeats scatter too much.
    pub(crate) open: Vec<&'r Comparison>,
    /// Clearly better at its own level, and not for all levels together.
    pub(crate) unclear: Vec<&'r Comparison>,
    /// No verdict, for the reason that each gives.
    pub(crate) no_verdict: Vec<&'r Comparison>,
}

impl<'r> ByOutcome<'r> {
    /// `comparisons`: those of one metric, in the order of the levels.
    pub(crate) fn sort(comparisons: impl Iterator<Item = &'r Comparison>) -> Self {
        let mut sorted = Self::default();
        for comparison in comparisons {
            let best = comparison.best.as_str();
            match (comparison.outcome, comparison.reason) {
                (Outcome::Faster, _) => sorted.wins.entry(best).or_default().push(comparison),
                (Outcome::Equivalent, _) => sorted.equal.push(comparison),
                (Outcome::Inconclusive, _) if comparison.was_ahead() => {
                    sorted.ahead.entry(best).or_default().push(comparison);
                }
                (Outcome::Inconclusive, Some(Reason::SeveralLevels)) if !comparison.is_near() => {
                    sorted.unclear.push(comparison);
                }
                (Outcome::Inconclusive, _) => sorted.open.push(comparison),
                (_, Some(Reason::OneRepeat)) => {
                    sorted.leads.entry(best).or_default().push(comparison);
                }
                _ => sorted.no_verdict.push(comparison),
            }
        }
        sorted
    }
}

/// Most backends that are named.
const MOST_NAMED: usize = 4;

/// `vllm and sglang` if the comparisons are all of that pair, or of the best with
/// those that it is not shown to be better than.
pub(crate) fn contenders(comparisons: &[&Comparison]) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for comparison in comparisons {
        let others = match comparison.not_cleared.as_slice() {
            [] => comparison.second.as_slice(),
            open => open,
        };
        for label in std::iter::once(&comparison.best).chain(others) {
            if !labels.contains(&label.as_str()) {
                labels.push(label);
            }
        }
    }
    labels.sort_unstable();
    let pairs = comparisons.iter().all(|c| c.not_cleared.is_empty());
    match labels.as_slice() {
        [one, other] => format!("{one} and {other}"),
        _ if pairs => "the two best backends".to_owned(),
        [start @ .., last] if labels.len() <= MOST_NAMED => {
            format!("{} and {last}", start.join(", "))
        }
        _ => "the best backends".to_owned(),
    }
}

/// Their levels.
pub(crate) fn levels_of(comparisons: &[&Comparison]) -> Vec<Level> {
    comparisons
        .iter()
        .map(|comparison| comparison.level)
        .collect()
}
