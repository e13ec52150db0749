//! The one comparison: a backend against another one in one metric at one
//! level. Best against every other, every backend against a chosen one, and a run
//! against another run are all made of it.
//!
//! The replicate is a repeat on a fresh server, not a request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::RepeatPairs;
use crate::metrics::{Better, Metric};
use crate::report::figures::row::Row;
use crate::report::figures::steady_state;
use crate::stats::inference::Interval;

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
    /// It is clear at this level, but not so clear that it would hold for all levels
    /// of the metric together (Holm).
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
    /// Shards of the run are missing: the load was not what was asked for.
    ShardsMissing,
    /// Facts of shards were changed after their run.
    ShardsChanged,
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

/// How likely a pair would look as it does if a claim about it were wrong: one-sided
/// p values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chances {
    /// Of the first being better by more than the margin.
    pub(crate) first_better: f64,
    /// Of the second.
    pub(crate) second_better: f64,
    /// Of both being equal within the margin.
    pub(crate) equal: f64,
}

/// What a pair shows alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Alone {
    pub(crate) interval: Option<Interval>,
    /// Why nothing follows.
    pub(crate) reason: Option<Reason>,
    pub(crate) chances: Chances,
}

impl Pair<'_> {
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
        } else if rows.into_iter().any(too_many_failed) {
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

    pub(crate) fn has_moved(&self) -> bool {
        let rows = [self.first, self.second];
        rows.iter()
            .any(|row| steady_state::is_unsteady(row, self.metric.name))
    }

    pub(crate) fn alone(&self) -> Alone {
        let repeats = RepeatPairs::new(self.first, self.second, self.metric.name);
        let interval = repeats.interval();
        let better = self.metric.better;
        Alone {
            interval,
            reason: self.reason(&repeats, interval.as_ref()),
            chances: match &interval {
                Some(interval) => Chances::from_interval(interval, better),
                None => Chances::without_ratio(&repeats, better),
            },
        }
    }
}

/// Whether those requests of a row that succeeded are no fair sample.
pub(crate) fn too_many_failed(row: &Row) -> bool {
    row.failed_share() > FAILED_LIMIT
}

impl Chances {
    /// `interval`: first to second. The margin is the same on the log scale in both
    /// directions.
    pub(crate) fn from_interval(interval: &Interval, better: Better) -> Self {
        let (more, less) = (interval.p_above(margin()), interval.p_below(-margin()));
        let (first_better, second_better) = match better {
            Better::Higher => (more, less),
            _ => (less, more),
        };
        Self {
            first_better,
            second_better,
            equal: interval.p_within(margin()),
        }
    }

    /// Of repeats of which some hold a 0, so that they have no ratio: only one that
    /// gives nothing in every repeat is clear.
    fn without_ratio(repeats: &RepeatPairs, better: Better) -> Self {
        let clear = |is: bool| if is { 0.0 } else { 1.0 };
        let higher = better == Better::Higher && !repeats.is_too_few();
        Self {
            first_better: clear(higher && repeats.only_first_gives()),
            second_better: clear(higher && repeats.only_second_gives()),
            equal: 1.0,
        }
    }
}

/// The margin on the log scale.
pub(crate) fn margin() -> f64 {
    (1.0 + MARGIN).ln()
}
