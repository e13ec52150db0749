//! Whether the events of all backends carry the same number of tokens. Where
//! they do not, gaps between events say nothing about gaps between tokens, and
//! decode time per token is compared instead.

use super::compare::{Comparison, Outcome, Reason};
use crate::config::Level;
use crate::report::Report;
use crate::report::figures::figure::Row;
use crate::report::prose::warnings::{Severity, Warning};
use crate::report::wording::listed;
use crate::text::number::three_digits;

/// The metric that is measured between events.
pub(crate) const BETWEEN_EVENTS: &str = "itl_ms";

/// What is said of it where it is not compared.
pub(crate) const CAUTION: &str =
    "between events, which carry different numbers of tokens here: not compared";

/// Ratio of mean tokens per event from which on two backends differ, where
/// servers count tokens per event.
const DIFFERS_FROM: f64 = 1.05;
/// The same where a server counts an answer's tokens only as a whole: a last
/// token without text (the end of the answer) then counts too, and weighs on
/// short answers.
const DIFFERS_FROM_UNTOLD: f64 = 1.5;

/// Mean tokens per event of a row, and whether the server told them per event.
fn tokens_per_event(row: &Row) -> Option<(f64, bool)> {
    let told = row.figures.get("tokens_per_event").and_then(|f| f.mean);
    if let Some(mean) = told {
        return Some((mean, true));
    }
    let tokens = row.figures.get("output_tokens")?;
    let gaps = row.figures.get(BETWEEN_EVENTS)?;
    // An answer has one event more than it has gaps.
    let events = gaps.n as f64 / tokens.n as f64 + 1.0;
    tokens.mean.map(|mean| (mean / events, false))
}

/// Levels at which the backends' events carry different numbers of tokens.
pub(crate) fn mixed_levels(rows: &[Row], levels: &[Level]) -> Vec<Level> {
    let differ = |level: &&Level| {
        let at_level = rows.iter().filter(|row| row.level == **level);
        let means: Vec<(f64, bool)> = at_level.filter_map(tokens_per_event).collect();
        let all_told = means.iter().all(|(_, told)| *told);
        let values = || means.iter().map(|(mean, _)| *mean);
        let (least, most) = (
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max),
        );
        let limit = if all_told {
            DIFFERS_FROM
        } else {
            DIFFERS_FROM_UNTOLD
        };
        means.len() > 1 && most > limit * least
    };
    levels.iter().filter(differ).copied().collect()
}

/// Takes the verdict and the marks from what is measured between events at the
/// mixed levels.
pub(crate) fn withhold(rows: &mut [Row], comparisons: &mut [Comparison], mixed: &[Level]) {
    for row in rows.iter_mut().filter(|row| mixed.contains(&row.level)) {
        if let Some(figure) = row.figures.get_mut(BETWEEN_EVENTS) {
            figure.best = false;
            figure.ratio_to_best = None;
            figure.against.clear();
        }
    }
    let withheld = comparisons
        .iter_mut()
        .filter(|c| c.metric == BETWEEN_EVENTS && mixed.contains(&c.level));
    for comparison in withheld {
        comparison.interval = None;
        comparison.outcome = Outcome::NoVerdict;
        comparison.reason = Some(Reason::EventsDiffer);
    }
}

/// What a reader must know of events that carry several tokens.
pub(crate) fn warnings(report: &Report) -> Vec<Warning> {
    let mixed = mixed_levels(&report.rows, &report.levels);
    if mixed.is_empty() {
        return notes(report);
    }
    let means: Vec<String> = report
        .backends
        .iter()
        .filter_map(|backend| {
            let rows = report
                .rows
                .iter()
                .filter(|row| row.backend == backend.label && mixed.contains(&row.level));
            let means = rows.filter_map(|row| Some(tokens_per_event(row)?.0));
            let most = means.max_by(f64::total_cmp)?;
            Some(format!("{} in {}", three_digits(most), backend.label))
        })
        .collect();
    vec![Warning {
        severity: Severity::Warning,
        text: format!(
            "one event carries different numbers of tokens ({} on average): inter-token latency is between events and is not compared, decode time per token is",
            listed(&means)
        ),
        backend: None,
        levels: mixed,
    }]
}

fn notes(report: &Report) -> Vec<Warning> {
    let mut found = Vec::new();
    for backend in &report.backends {
        let rows = report
            .rows
            .iter()
            .filter(|row| row.backend == backend.label);
        let means = rows.filter_map(|row| row.figures.get("tokens_per_event")?.mean);
        let Some(most) = means.max_by(f64::total_cmp).filter(|mean| *mean > 1.05) else {
            continue;
        };
        found.push(Warning {
            severity: Severity::Note,
            text: format!(
                "an event carries up to {} tokens on average: inter-token latency is between events, time per output token compares",
                three_digits(most)
            ),
            backend: Some(backend.label.clone()),
            levels: Vec::new(),
        });
    }
    found
}
