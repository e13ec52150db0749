//! Who is better by how much, and whether the repeats carry it.
//!
//! The replicate is a repeat on a fresh server, not a request. A verdict holds
//! for all levels of its metric together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::Held;
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::figures::figure::Row;
use crate::report::figures::steady_state;
use crate::stats::inference::{CONFIDENCE, Interval, holm};

/// Smallest difference that counts, as a share.
pub const MARGIN: f64 = 0.03;

/// Share of failed requests above which a backend's figures carry no verdict:
/// those that survive are not a fair sample.
pub const FAILED_LIMIT: f64 = 0.05;

/// The best backend against the second at one level in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name of the metric.
    pub metric: String,
    /// Level of the load.
    pub level: Level,
    /// Label of the best backend, by its typical value.
    pub best: String,
    /// Its typical value.
    pub best_value: f64,
    /// Label of the second; absent if only one backend has a value.
    pub second: Option<String>,
    /// The second's typical value.
    pub second_value: Option<f64>,
    /// Best against second over the repeats; absent below two repeats.
    pub interval: Option<Interval>,
    /// What follows.
    pub outcome: Outcome,
    /// Why nothing follows, or less than the interval alone would say; absent
    /// if what follows is what the interval says.
    pub reason: Option<Reason>,
    /// Repeats in all with which it would likely be decided, if they scattered
    /// as these do; absent if it is, or beyond a thousand.
    pub blocks_to_decide: Option<u32>,
}

impl Comparison {
    /// Whether the two figures lie within the margin, whatever the repeats say.
    pub(crate) fn is_near(&self) -> bool {
        let ratio = self.second_value.map(|second| self.best_value / second);
        ratio.is_some_and(|ratio| (1.0 / (1.0 + MARGIN)..=1.0 + MARGIN).contains(&ratio))
    }
}

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole interval clears the margin.
    Faster,
    /// The whole interval lies inside the margin.
    Equivalent,
    /// The interval reaches over the margin.
    Inconclusive,
    /// There are figures, and no verdict.
    NoVerdict,
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Only one backend has a value.
    OneBackend,
    /// Fewer than two repeats have values of both.
    OneRepeat,
    /// The client was the limit for some backend at this level.
    ClientWasLimit,
    /// More than a twentieth of the requests of the best or the second failed.
    TooManyFailed,
    /// No backend has a value above 0 in a metric of which more is better.
    AllZero,
    /// The interval clears the margin at this level, but not so clearly that it
    /// would hold for all levels of the metric together (Holm).
    SeveralLevels,
    /// The metric moved over the measured window: the best's for the worse, the
    /// second's for the better, or either's where they are otherwise equal.
    /// Another window could have given another answer.
    NotSteady,
    /// The metric is measured between events, which carry different numbers of
    /// tokens.
    EventsDiffer,
    /// The backends did not do the same work: prompts, answers or cached tokens
    /// differ.
    WorkDiffers,
}

impl Reason {
    /// The reason in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OneBackend => "only one has a value",
            Self::OneRepeat => "one repeat",
            Self::ClientWasLimit => "the client was the limit",
            Self::TooManyFailed => "too many requests failed",
            Self::AllZero => "a value is 0",
            Self::SeveralLevels => "not clear enough for all levels together",
            Self::NotSteady => "not steady",
            Self::EventsDiffer => "events carry different numbers of tokens",
            Self::WorkDiffers => "not the same work",
        }
    }
}

/// What an interval of best to second shows, the margin being the same on the
/// log scale in both directions.
#[must_use]
pub fn outcome(interval: &Interval, better: Better) -> Outcome {
    let (above, below) = (1.0 + MARGIN, 1.0 / (1.0 + MARGIN));
    let clears = match better {
        Better::Higher => interval.low > above,
        Better::Lower => interval.high < below,
        Better::Neither => false,
    };
    if clears {
        Outcome::Faster
    } else if interval.low >= below && interval.high <= above {
        Outcome::Equivalent
    } else {
        Outcome::Inconclusive
    }
}

/// The comparison of each metric that ranks, at each level where at least one
/// backend has a value.
pub(crate) fn all(rows: &[Row], levels: &[Level], metrics: &[&Metric]) -> Vec<Comparison> {
    let ranking = metrics.iter().filter(|m| m.better != Better::Neither);
    ranking
        .flat_map(|metric| {
            let at_levels = levels.iter().filter_map(|level| {
                let at_level: Vec<&Row> = rows.iter().filter(|row| row.level == *level).collect();
                compare(metric, *level, &at_level)
            });
            let mut family = together(at_levels.collect(), metric.better);
            family.iter_mut().for_each(|one| unsettle(one, rows));
            family
        })
        .collect()
}

/// Takes back that two are equal where one of them moved.
fn unsettle(comparison: &mut Comparison, rows: &[Row]) {
    let names = [Some(&comparison.best), comparison.second.as_ref()];
    let is_of = |row: &&Row| row.level == comparison.level && names.contains(&Some(&row.backend));
    let mut pair = rows.iter().filter(is_of);
    let moved = pair.any(|row| steady_state::is_unsteady(row, &comparison.metric));
    if comparison.outcome == Outcome::Equivalent && moved {
        comparison.outcome = Outcome::NoVerdict;
        comparison.reason = Some(Reason::NotSteady);
    }
}

/// Takes every verdict between backends that did not do the same work.
pub(crate) fn withhold(comparisons: &mut [Comparison]) {
    for comparison in comparisons.iter_mut().filter(|c| c.second.is_some()) {
        comparison.outcome = Outcome::NoVerdict;
        comparison.reason = Some(Reason::WorkDiffers);
        comparison.blocks_to_decide = None;
    }
}

/// Says of each comparison of one metric what it shows, and how many repeats
/// would decide what is open.
fn together(mut family: Vec<Comparison>, better: Better) -> Vec<Comparison> {
    let tested = |c: &&mut Comparison| c.reason.is_none() && c.interval.is_some();
    let tested: Vec<&mut Comparison> = family.iter_mut().filter(tested).collect();
    let intervals: Vec<Interval> = tested.iter().filter_map(|c| c.interval).collect();
    let outcomes = outcomes(&intervals, better);
    for ((comparison, interval), together) in tested.into_iter().zip(&intervals).zip(outcomes) {
        comparison.outcome = together;
        if together != outcome(interval, better) {
            comparison.reason = Some(Reason::SeveralLevels);
        } else if together == Outcome::Inconclusive {
            comparison.blocks_to_decide = interval.blocks_to_decide(margin());
        }
    }
    family
}

/// The margin on the log scale.
pub(crate) fn margin() -> f64 {
    (1.0 + MARGIN).ln()
}

/// What the intervals of one metric, one per level, show together: *faster* only
/// where it holds for all levels at once (Holm), so that a family of levels
/// without a difference gives one in at most a twentieth of all runs.
#[must_use]
pub fn outcomes(intervals: &[Interval], better: Better) -> Vec<Outcome> {
    let p_values: Vec<f64> = intervals.iter().map(|i| i.p_beyond(margin())).collect();
    let holds = holm(&p_values, (1.0 - CONFIDENCE) / 2.0);
    let each = intervals.iter().zip(holds);
    each.map(|(interval, holds)| match outcome(interval, better) {
        Outcome::Faster if !holds => Outcome::Inconclusive,
        alone => alone,
    })
    .collect()
}

fn compare(metric: &Metric, level: Level, rows: &[&Row]) -> Option<Comparison> {
    let mut ranked: Vec<(&Row, f64)> = rows
        .iter()
        .filter_map(|row| Some((*row, row.typical(metric.name)?)))
        .collect();
    ranked.sort_by(|(_, a), (_, b)| match metric.better {
        Better::Higher => b.total_cmp(a),
        _ => a.total_cmp(b),
    });
    let (best, best_value) = *ranked.first()?;
    let second = ranked.get(1).map(|(row, _)| *row);
    let held = second.map(|second| Held::of(best, second, metric.name));
    let interval = held.as_ref().and_then(Held::interval);
    let reason = if metric.better == Better::Higher && best_value == 0.0 && second.is_some() {
        Some(Reason::AllZero)
    } else {
        no_verdict(rows, best, second, metric.name)
            .or_else(|| held.as_ref()?.is_too_few().then_some(Reason::OneRepeat))
    };
    let outcome = match (reason, &interval) {
        // Said once all levels are known.
        (None, Some(_)) => Outcome::Inconclusive,
        (None, None) => without_ratio(held.as_ref(), metric.better),
        (Some(_), _) => Outcome::NoVerdict,
    };
    Some(Comparison {
        metric: metric.name.to_owned(),
        level,
        best: best.backend.clone(),
        best_value,
        second: second.map(|row| row.backend.clone()),
        second_value: ranked.get(1).map(|(_, value)| *value),
        interval,
        outcome,
        reason,
        blocks_to_decide: None,
    })
}

/// What repeats show of which some hold a 0, so that they have no ratio: only a
/// second that gives nothing in every repeat is clear.
fn without_ratio(held: Option<&Held>, better: Better) -> Outcome {
    if better == Better::Higher && held.is_some_and(Held::only_first_gives) {
        Outcome::Faster
    } else {
        Outcome::Inconclusive
    }
}

/// A backend that the client held back might have been the best, so one such
/// backend leaves the whole level without a verdict.
fn no_verdict(rows: &[&Row], best: &Row, second: Option<&Row>, metric: &str) -> Option<Reason> {
    let Some(second) = second else {
        return Some(Reason::OneBackend);
    };
    if rows.iter().any(|row| row.client_was_limit) {
        Some(Reason::ClientWasLimit)
    } else if best.failed_share() > FAILED_LIMIT || second.failed_share() > FAILED_LIMIT {
        Some(Reason::TooManyFailed)
    } else if steady_state::undermines(best, second, metric) {
        Some(Reason::NotSteady)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interval_beyond_the_margin_is_faster() {
        let of = |low, high| Interval {
            ratio: 1.0,
            low,
            high,
            blocks: 3,
            std_error: 0.1,
            permutation_p: None,
            unpaired: None,
        };
        let higher = |low, high| outcome(&of(low, high), Better::Higher);
        assert_eq!(higher(1.031, 2.0), Outcome::Faster);
        assert_eq!(higher(1.029, 2.0), Outcome::Inconclusive);
        assert_eq!(higher(0.98, 1.02), Outcome::Equivalent);
        assert_eq!(higher(0.90, 1.02), Outcome::Inconclusive);
        let lower = |low, high| outcome(&of(low, high), Better::Lower);
        assert_eq!(lower(0.5, 0.97), Outcome::Faster);
        assert_eq!(lower(0.5, 0.975), Outcome::Inconclusive);
    }
}
