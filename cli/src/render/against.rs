//! Figures against those of other backends: ratios to a baseline as text, one for each
//! backend that a reader may choose and one to the best of the level, and which are
//! marked as best.

use inferbench_model::report::{Figure, Outcome, Report, Row};
use inferbench_model::stats::inference::is_bounded;
use inferbench_model::text::number::{ends, three_digits};
use serde::Serialize;

/// What stands for the best backend of each level in the choice of a baseline.
const BEST: &str = "best";

/// A figure against that of one baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioText {
    /// The baseline: its place in the report from 0, or `best`.
    pub baseline: String,
    /// `0.250 ×` with a space that keeps both together, or that the backend is the baseline itself.
    pub text: String,
    /// `(0.240–0.261)`, the 95 % interval, or that so few repeats cannot bound it; empty
    /// below two repeats.
    pub interval: String,
}

/// A row's figure against the best of its level and against every backend;
/// empty if none can be compared with another. `is_best`: it is marked as the best,
/// or as good as it.
pub(super) fn ratios(report: &Report, row: &Row, metric: &str, is_best: bool) -> Vec<RatioText> {
    let Some(figure) = row.figures.get(metric) else {
        return Vec::new();
    };
    let best = report.rows.iter().find(|other| {
        let own = other.figures.get(metric);
        other.level == row.level && own.is_some_and(|figure| figure.best)
    });
    let best = best.map(|best| (BEST.to_owned(), best.backend.as_str()));
    let backends = report.backends.iter().enumerate();
    let each = backends.map(|(place, backend)| (place.to_string(), backend.label.as_str()));
    let some = figure.against.iter().any(|against| against.ratio > 0.0);
    best.into_iter()
        .chain(each)
        .filter(|_| some)
        .filter_map(|(key, label)| ratio(figure, (&row.backend, is_best), key, label))
        .collect()
}

/// Whether a figure is marked as the best of its level: it was shown to be, or to be
/// equal to it. One repeat shows nothing.
pub(super) fn is_best(report: &Report, row: &Row, metric: &str) -> bool {
    let Some(comparison) = report.comparison(metric, &row.level) else {
        return false;
    };
    let is_first = comparison.best == row.backend;
    let is_second = comparison.second.as_deref() == Some(&row.backend);
    match comparison.outcome {
        Outcome::Faster => is_first,
        Outcome::Equivalent => is_first || is_second,
        Outcome::Inconclusive | Outcome::NoVerdict => false,
    }
}

fn ratio(
    figure: &Figure,
    (own, is_best): (&str, bool),
    key: String,
    baseline: &str,
) -> Option<RatioText> {
    if own == baseline {
        let text = match (key == BEST, is_best) {
            (false, _) => "baseline",
            (true, true) => "best",
            (true, false) => "1\u{a0}×",
        };
        return Some(RatioText {
            baseline: key,
            text: text.to_owned(),
            interval: String::new(),
        });
    }
    let against = figure.against(baseline)?;
    let interval = against.low.zip(against.high).map(|(low, high)| {
        if !is_bounded(low, high) {
            return "(not bounded)".to_owned();
        }
        let [low, high] = ends(low, high);
        format!("({low}–{high})")
    });
    Some(RatioText {
        baseline: key,
        text: format!("{}\u{a0}×", three_digits(against.ratio)),
        interval: interval.unwrap_or_default(),
    })
}
