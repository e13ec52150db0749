//! The best backend against the second, for each metric that ranks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::pairwise::{FAILED_LIMIT, MARGIN, Outcome, Reason};
use super::pairwise::{Pair, PairVerdict, judge};
use crate::config::Level;
use crate::metrics::{Better, DEPENDS_ON_EVENTS, Metric};
use crate::report::figures::row::Row;
use crate::stats::inference::Interval;

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
            let pairs = ranked.iter().filter_map(|ranked| {
                let by_events = DEPENDS_ON_EVENTS.contains(&metric.name);
                Some(Pair {
                    metric,
                    first: ranked.best,
                    second: ranked.second?,
                    work_differs,
                    events_differ: by_events && mixed.contains(&ranked.level),
                    client_was_limit: ranked.client_was_limit,
                    output_not_seen: ranked.output_not_seen,
                })
            });
            let pairs: Vec<Pair<'_>> = pairs.collect();
            let mut verdicts = judge(&pairs).into_iter();
            let comparisons = ranked.iter().map(|ranked| {
                let verdict = ranked.second.and_then(|_| verdicts.next());
                ranked.comparison(metric, verdict)
            });
            comparisons.collect::<Vec<_>>()
        })
        .collect()
}

/// The backends at a level, best first.
struct Ranked<'r> {
    level: Level,
    best: &'r Row,
    second: Option<&'r Row>,
    /// A backend that the client held back might have been the best, so one such
    /// backend leaves the whole level without a verdict.
    client_was_limit: bool,
    /// The same of a backend whose output was not seen.
    output_not_seen: bool,
}

impl<'r> Ranked<'r> {
    fn at(level: Level, rows: &'r [Row], metric: &Metric) -> Option<Self> {
        let at_level = || rows.iter().filter(|row| row.level == level);
        let mut ranked: Vec<(&Row, f64)> = at_level()
            .filter_map(|row| Some((row, row.typical(metric.name)?)))
            .collect();
        ranked.sort_by(|(_, a), (_, b)| match metric.better {
            Better::Higher => b.total_cmp(a),
            _ => a.total_cmp(b),
        });
        Some(Self {
            level,
            best: ranked.first()?.0,
            second: ranked.get(1).map(|(row, _)| *row),
            client_was_limit: at_level().any(|row| row.client_was_limit),
            output_not_seen: at_level().any(Row::has_unseen_output),
        })
    }

    /// `verdict`: absent where there is no second.
    fn comparison(&self, metric: &Metric, verdict: Option<PairVerdict>) -> Comparison {
        let reason = match verdict {
            Some(verdict) => verdict.reason,
            None => Some(Reason::OneBackend),
        };
        let interval = verdict.and_then(|verdict| verdict.interval);
        Comparison {
            metric: metric.name.to_owned(),
            level: self.level,
            best: self.best.backend.clone(),
            best_value: self.best.typical(metric.name).unwrap_or_default(),
            second: self.second.map(|row| row.backend.clone()),
            second_value: self.second.and_then(|row| row.typical(metric.name)),
            interval: interval.filter(|_| reason != Some(Reason::EventsDiffer)),
            outcome: verdict.map_or(Outcome::NoVerdict, |verdict| verdict.shown.into()),
            reason,
            blocks_to_decide: verdict.and_then(|verdict| verdict.repeats_to_decide),
        }
    }
}
