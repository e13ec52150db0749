//! The one comparison: a backend against another one in one metric at one
//! level. Best against second, every backend against a chosen one, and a run
//! against another run are all made of it.
//!
//! The replicate is a repeat on a fresh server, not a request. What a family of
//! comparisons (the levels of one metric) shows holds for all of it together
//! (Holm), so that a family without a difference shows one in at most a twentieth
//! of all runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::RepeatPairs;
use crate::config::Level;
use crate::metrics::{Better, Metric};
use crate::report::figures::row::{Against, Row};
use crate::report::figures::steady_state;
use crate::stats::inference::{CONFIDENCE, Interval, holm, holm_next};

/// Smallest difference that counts, as a share.
pub const MARGIN: f64 = 0.03;

/// Share of failed requests above which a backend's figures carry no verdict:
/// those that survive are not a fair sample.
pub const FAILED_LIMIT: f64 = 0.05;

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
    /// Output of some backend at this level was not seen.
    OutputNotSeen,
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
    /// The metric depends on how many tokens an event carries, and they carry different
    /// numbers of them.
    EventsDiffer,
    /// The backends did not do the same work: prompts, answers or cached tokens
    /// differ.
    WorkDiffers,
}

/// One backend against another.
pub(crate) struct Pair<'r> {
    pub(crate) metric: &'r Metric,
    pub(crate) first: &'r Row,
    pub(crate) second: &'r Row,
    /// The two did not do the same work.
    pub(crate) work_differs: bool,
    /// The metric depends on how many tokens an event carries, which differs.
    pub(crate) events_differ: bool,
    /// The client was the limit for one of them, or for a backend that might have
    /// been better than both.
    pub(crate) client_was_limit: bool,
    /// The same of output that was not seen.
    pub(crate) output_not_seen: bool,
}

/// What a pair shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The whole interval clears the margin for the first.
    FirstBetter,
    /// The same for the second.
    SecondBetter,
    /// The whole interval lies inside the margin.
    Equivalent,
    /// The interval reaches over the margin.
    Inconclusive,
    /// No verdict, for the reason given.
    Nothing,
}

/// What follows for a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PairVerdict {
    pub(crate) interval: Option<Interval>,
    pub(crate) shown: Shown,
    /// Why nothing follows, or less than the interval alone would say.
    pub(crate) reason: Option<Reason>,
    /// Repeats with which it would likely be decided, beside what is open now in
    /// its family; absent if it is decided, or beyond a thousand.
    pub(crate) repeats_to_decide: Option<u32>,
}

impl Pair<'_> {
    fn repeats(&self) -> RepeatPairs {
        RepeatPairs::new(self.first, self.second, self.metric.name)
    }

    fn values(&self) -> Option<(f64, f64)> {
        let name = self.metric.name;
        Some((self.first.typical(name)?, self.second.typical(name)?))
    }

    /// Why there is no verdict.
    fn reason(&self, repeats: &RepeatPairs, interval: Option<&Interval>) -> Option<Reason> {
        let Some((first, second)) = self.values() else {
            return Some(Reason::OneBackend);
        };
        let rows = [self.first, self.second];
        let fails = |row: &&Row| row.failed_share() > FAILED_LIMIT;
        if self.output_not_seen {
            Some(Reason::OutputNotSeen)
        } else if self.work_differs {
            Some(Reason::WorkDiffers)
        } else if self.events_differ {
            Some(Reason::EventsDiffer)
        } else if self.metric.better == Better::Higher && first == 0.0 && second == 0.0 {
            Some(Reason::AllZero)
        } else if self.client_was_limit {
            Some(Reason::ClientWasLimit)
        } else if rows.iter().any(fails) {
            Some(Reason::TooManyFailed)
        } else if self.is_undermined(interval.map_or(first / second, |i| i.ratio)) {
            Some(Reason::NotSteady)
        } else {
            repeats.is_too_few().then_some(Reason::OneRepeat)
        }
    }

    /// Whether the lead could have come out otherwise over another window.
    fn is_undermined(&self, ratio: f64) -> bool {
        let first_leads = (ratio > 1.0) == (self.metric.better == Better::Higher);
        let (ahead, behind) = match first_leads {
            true => (self.first, self.second),
            false => (self.second, self.first),
        };
        steady_state::undermines(ahead, behind, self.metric.name)
    }

    fn has_moved(&self) -> bool {
        let rows = [self.first, self.second];
        rows.iter()
            .any(|row| steady_state::is_unsteady(row, self.metric.name))
    }

    /// What it shows alone.
    fn alone(&self) -> PairVerdict {
        let repeats = self.repeats();
        let interval = repeats.interval();
        let reason = self.reason(&repeats, interval.as_ref());
        let shown = match (reason, &interval) {
            (Some(_), _) => Shown::Nothing,
            (None, Some(interval)) => shown(interval, self.metric.better),
            (None, None) => without_ratio(&repeats, self.metric.better),
        };
        PairVerdict {
            interval,
            shown,
            reason,
            repeats_to_decide: None,
        }
    }
}

/// What the pairs of one metric show together, in their order.
pub(crate) fn judge(family: &[Pair<'_>]) -> Vec<PairVerdict> {
    let mut verdicts: Vec<PairVerdict> = family.iter().map(Pair::alone).collect();
    let is_tested = |v: &&mut PairVerdict| v.reason.is_none() && v.interval.is_some();
    let mut tested: Vec<&mut PairVerdict> = verdicts.iter_mut().filter(is_tested).collect();
    let intervals: Vec<Interval> = tested.iter().filter_map(|v| v.interval).collect();
    let together = Together::of_intervals(&intervals, margin());
    for ((verdict, interval), holds) in tested.iter_mut().zip(&intervals).zip(&together.holds) {
        (verdict.shown, verdict.reason) = shown_together(verdict.shown, *holds);
        if verdict.shown == Shown::Inconclusive && verdict.reason.is_none() {
            let beyond = interval.ratio.ln().abs() - margin();
            verdict.repeats_to_decide = together.repeats_to_clear(interval, beyond);
        }
    }
    for (verdict, pair) in verdicts.iter_mut().zip(family) {
        if verdict.shown == Shown::Equivalent && pair.has_moved() {
            verdict.shown = Shown::Nothing;
            verdict.reason = Some(Reason::NotSteady);
        }
    }
    verdicts
}

/// What intervals of first to second show, as levels of one metric.
#[must_use]
pub fn outcomes(intervals: &[Interval], better: Better) -> Vec<Outcome> {
    let together = Together::of_intervals(intervals, margin());
    let each = intervals.iter().zip(&together.holds);
    each.map(|(interval, holds)| shown_together(shown(interval, better), *holds).0.into())
        .collect()
}

/// What is left of what a pair shows alone, beside the rest of its family.
fn shown_together(alone: Shown, holds: bool) -> (Shown, Option<Reason>) {
    match alone {
        Shown::FirstBetter | Shown::SecondBetter if !holds => {
            (Shown::Inconclusive, Some(Reason::SeveralLevels))
        }
        alone => (alone, None),
    }
}

/// As the best against the second, who cannot be faster.
impl From<Shown> for Outcome {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::FirstBetter => Self::Faster,
            Shown::Equivalent => Self::Equivalent,
            Shown::SecondBetter | Shown::Inconclusive => Self::Inconclusive,
            Shown::Nothing => Self::NoVerdict,
        }
    }
}

/// The margin on the log scale.
pub(crate) fn margin() -> f64 {
    (1.0 + MARGIN).ln()
}

/// What an interval of first to second shows alone, the margin being the same on
/// the log scale in both directions.
pub(crate) fn shown(interval: &Interval, better: Better) -> Shown {
    let (above, below) = (1.0 + MARGIN, 1.0 / (1.0 + MARGIN));
    let (more, less) = (interval.low > above, interval.high < below);
    match better {
        Better::Higher if more => Shown::FirstBetter,
        Better::Higher if less => Shown::SecondBetter,
        Better::Lower if less => Shown::FirstBetter,
        Better::Lower if more => Shown::SecondBetter,
        _ if interval.low >= below && interval.high <= above => Shown::Equivalent,
        _ => Shown::Inconclusive,
    }
}

/// What repeats show of which some hold a 0, so that they have no ratio: only one
/// that gives nothing in every repeat is clear.
fn without_ratio(repeats: &RepeatPairs, better: Better) -> Shown {
    match better {
        Better::Higher if repeats.only_first_gives() => Shown::FirstBetter,
        Better::Higher if repeats.only_second_gives() => Shown::SecondBetter,
        _ => Shown::Inconclusive,
    }
}

/// Which tests of a family hold at once (Holm).
pub(crate) struct Together {
    /// For each test, in its order.
    pub(crate) holds: Vec<bool>,
    /// The tail that the next test would have to clear.
    next_tail: f64,
}

impl Together {
    /// Tests that each ratio lies beyond `least` on the log scale.
    pub(crate) fn of_intervals(intervals: &[Interval], least: f64) -> Self {
        let p_values: Vec<f64> = intervals.iter().map(|i| i.p_beyond(least)).collect();
        let alpha = (1.0 - CONFIDENCE) / 2.0;
        let holds = holm(&p_values, alpha);
        Self {
            next_tail: holm_next(&holds, alpha),
            holds,
        }
    }

    /// Repeats with which an interval would likely clear what lies `beyond` it,
    /// on the log scale: beside the rest of the family if that is above 0, alone
    /// if it is below.
    pub(crate) fn repeats_to_clear(&self, interval: &Interval, beyond: f64) -> Option<u32> {
        if beyond > 0.0 {
            interval.blocks_to_clear_at(beyond, self.next_tail)
        } else {
            interval.blocks_to_clear(beyond.abs())
        }
    }
}

/// Compares every figure of a metric that ranks with the same figure of every
/// other backend at its level, so that a reader may choose the baseline.
pub(crate) fn fill_against(rows: &mut [Row], levels: &[Level], metrics: &[&Metric]) {
    let ranking = metrics.iter().filter(|m| m.better != Better::Neither);
    for metric in ranking {
        for level in levels {
            let places: Vec<usize> = (0..rows.len())
                .filter(|at| rows[*at].level == *level)
                .collect();
            for at in &places {
                let others = places.iter().filter(|other| *other != at);
                let found = others.filter_map(|other| against(&rows[*at], &rows[*other], metric));
                let found: Vec<Against> = found.collect();
                if let Some(figure) = rows[*at].figures.get_mut(metric.name) {
                    figure.against = found;
                }
            }
        }
    }
}

fn against(row: &Row, baseline: &Row, metric: &Metric) -> Option<Against> {
    let interval = RepeatPairs::new(row, baseline, metric.name).interval();
    let ratio = match interval {
        Some(interval) => interval.ratio,
        None => row.typical(metric.name)? / baseline.typical(metric.name)?,
    };
    ratio.is_finite().then(|| Against {
        baseline: baseline.backend.clone(),
        ratio,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interval_beyond_the_margin_is_better() {
        let interval = |low, high| Interval {
            ratio: 1.0,
            low,
            high,
            blocks: 3,
            std_error: 0.1,
            permutation_p: None,
            unpaired: None,
        };
        let higher = |low, high| shown(&interval(low, high), Better::Higher);
        assert_eq!(higher(1.031, 2.0), Shown::FirstBetter);
        assert_eq!(higher(1.029, 2.0), Shown::Inconclusive);
        assert_eq!(higher(0.98, 1.02), Shown::Equivalent);
        assert_eq!(higher(0.90, 1.02), Shown::Inconclusive);
        assert_eq!(higher(0.5, 0.97), Shown::SecondBetter);
        let lower = |low, high| shown(&interval(low, high), Better::Lower);
        assert_eq!(lower(0.5, 0.97), Shown::FirstBetter);
        assert_eq!(lower(0.5, 0.975), Shown::Inconclusive);
        assert_eq!(lower(1.04, 1.5), Shown::SecondBetter);
    }
}
