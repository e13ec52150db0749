//! The best backend against every other, for each metric that ranks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ahead::Ahead;
use super::family::{Verdict, judge};
pub use super::pairwise::{FAILED_LIMIT, MARGIN, Outcome, Reason};
use super::pairwise::{Pair, Shown, too_many_failed};
use super::rank::best_first;
use crate::config::Level;
use crate::metrics::{Better, DEPENDS_ON_EVENTS, Metric};
use crate::report::figures::row::Row;
use crate::stats::inference::Interval;

/// The best backend against the others at one level in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name of the metric.
    pub metric: String,
    /// Level of the load.
    pub level: Level,
    /// Label of the best backend, by geometric mean over the repeats.
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
    /// if what follows is what the intervals say.
    pub reason: Option<Reason>,
    /// Labels of those backends, the second among them, that the best was not shown
    /// to be better than; empty if there are only two, or if it is decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_cleared: Vec<String>,
    /// The best repeat by repeat, whatever that proves; absent if repeats are of
    /// different runs, or if there is no second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Ahead>,
    /// Repeats in all with which it would likely be decided, if they scattered
    /// as these do; absent if it is, or beyond a thousand.
    pub blocks_to_decide: Option<u32>,
}

impl Comparison {
    /// Its figures without a verdict.
    pub(crate) fn without_verdict(self, why: Reason) -> Self {
        Self {
            interval: None,
            outcome: Outcome::NoVerdict,
            reason: Some(why),
            not_cleared: Vec::new(),
            ahead: None,
            blocks_to_decide: None,
            ..self
        }
    }

    /// Whether the best was ahead of every other in all of two or more repeats, and by
    /// more than the margin.
    pub(crate) fn was_ahead(&self) -> bool {
        self.ahead.is_some_and(|ahead| ahead.in_all()) && !self.is_near()
    }

    /// Whether the two figures lie within the margin, whatever the repeats say.
    pub(crate) fn is_near(&self) -> bool {
        let figures = || self.second_value.map(|second| self.best_value / second);
        let ratio = self
            .interval
            .map(|interval| interval.ratio)
            .or_else(figures);
        ratio.is_some_and(|ratio| (1.0 / (1.0 + MARGIN)..=1.0 + MARGIN).contains(&ratio))
    }
}

/// The comparison of each metric that ranks, at each level where at least one
/// backend has a value. `mixed`: levels where events carry different numbers of
/// tokens; `work_differs`: backends did not do the same work.
pub(crate) fn all(
    rows: &[Row],
    levels: &[Level],
    metrics: &[&Metric],
    (mixed, work_differs): (&[Level], bool),
) -> Vec<Comparison> {
    let ranking = metrics.iter().filter(|m| m.better != Better::Neither);
    ranking
        .flat_map(|metric| {
            let ranked = levels
                .iter()
                .filter_map(|level| Ranked::at(*level, rows, metric));
            let ranked: Vec<Ranked<'_>> = ranked.collect();
            let contested = ranked.iter().filter(|ranked| ranked.second().is_some());
            let contests = contested.map(|ranked| ranked.pairs(metric, mixed, work_differs));
            let contests: Vec<Vec<Pair<'_>>> = contests.collect();
            let mut verdicts = judge(&contests).into_iter().zip(&contests);
            let comparisons = ranked.iter().map(|ranked| {
                let found = ranked.second().and_then(|_| verdicts.next());
                let ahead = found
                    .as_ref()
                    .and_then(|(_, pairs)| Ahead::from_pairs(pairs));
                let verdict = found.map(|(verdict, _)| verdict);
                Comparison {
                    ahead,
                    ..ranked.comparison(metric, verdict)
                }
            });
            comparisons.collect::<Vec<_>>()
        })
        .collect()
}

/// The comparisons of one metric of backends that did the same work.
#[must_use]
pub fn comparisons(rows: &[Row], levels: &[Level], metric: &Metric) -> Vec<Comparison> {
    all(rows, levels, &[metric], (&[], false))
}

/// The backends at a level, best first.
struct Ranked<'r> {
    level: Level,
    best: &'r Row,
    others: Vec<&'r Row>,
    /// A backend that the client held back might have been the best, so one such
    /// backend leaves the whole level without a verdict.
    client_was_limit: bool,
    /// The same of a backend whose output was not seen.
    output_not_seen: bool,
}

impl<'r> Ranked<'r> {
    fn at(level: Level, rows: &'r [Row], metric: &Metric) -> Option<Self> {
        let at_level = || rows.iter().filter(|row| row.level == level);
        let mut ranked = best_first(rows, level, metric).into_iter();
        Some(Self {
            level,
            best: ranked.next()?,
            others: ranked.collect(),
            client_was_limit: at_level().any(|row| row.client_was_limit),
            output_not_seen: at_level().any(Row::has_unseen_output),
        })
    }

    fn second(&self) -> Option<&'r Row> {
        self.others.first().copied()
    }

    /// The best with the second, then with every other whose figures are a fair
    /// sample.
    fn pairs<'m>(&self, metric: &'m Metric, mixed: &[Level], work_differs: bool) -> Vec<Pair<'m>>
    where
        'r: 'm,
    {
        let by_events = DEPENDS_ON_EVENTS.contains(&metric.name);
        let rest = self.others.iter().skip(1);
        let rest = rest.filter(|row| !too_many_failed(row));
        let others = self.others.iter().take(1).chain(rest);
        let pair = |other: &&'r Row| Pair {
            metric,
            first: self.best,
            second: other,
            work_differs,
            events_differ: by_events && mixed.contains(&self.level),
            client_was_limit: self.client_was_limit,
            output_not_seen: self.output_not_seen,
        };
        others.map(pair).collect()
    }

    /// `verdict`: absent where there is no second.
    fn comparison(&self, metric: &Metric, verdict: Option<Verdict>) -> Comparison {
        let second = self.second();
        let verdict = verdict.unwrap_or(Verdict {
            interval: None,
            shown: Shown::Nothing,
            reason: Some(Reason::OneBackend),
            not_cleared: Vec::new(),
            repeats_to_decide: None,
        });
        let reason = verdict.reason;
        let interval = verdict.interval;
        let label = |at: &usize| Some(self.others.get(*at)?.backend.clone());
        Comparison {
            metric: metric.name.to_owned(),
            level: self.level,
            best: self.best.backend.clone(),
            best_value: self.best.typical(metric.name).unwrap_or_default(),
            second: second.map(|row| row.backend.clone()),
            second_value: second.and_then(|row| row.typical(metric.name)),
            interval: interval.filter(|_| reason != Some(Reason::EventsDiffer)),
            outcome: verdict.shown.into(),
            reason,
            not_cleared: verdict.not_cleared.iter().filter_map(label).collect(),
            ahead: None,
            blocks_to_decide: verdict.repeats_to_decide,
        }
    }
}
