//! The table over levels as text, for the page, the summary and the terminal: a line
//! for each backend, and what its marks mean.

mod cell;
mod columns;

use inferbench_model::report::{Report, Row};
use inferbench_model::text::number::grouped;
use serde::Serialize;

use super::charts::short_names;
use super::cost;
use super::names::ShortNames;
pub use cell::Cell;
use cell::cell;
pub use columns::{Column, NARROW, Stat, WIDE, shown};

/// One backend at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Label of the backend.
    pub backend: String,
    /// The same, cut in its middle if it is long.
    pub brief: String,
    /// Place of the backend in the report, from 0.
    pub place: usize,
    /// Why there are no figures.
    pub absence: Option<String>,
    /// One cell per column.
    pub cells: Vec<Cell>,
    pub ok: String,
    /// Failed requests; empty if there was none.
    pub failed: String,
    /// Successful requests, as a number.
    pub ok_count: u64,
    /// Failed requests, as a number.
    pub failed_count: u64,
    /// In some repeat a threshold of the self-check was broken.
    pub untrustworthy: bool,
}

/// The backends at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The level in words.
    pub level: String,
    /// One line per backend.
    pub lines: Vec<Line>,
}

/// What the marks on headings and figures mean; `None` if there is none.
#[must_use]
pub fn footnote(report: &Report) -> Option<String> {
    let mut cautions: Vec<(&str, Vec<&str>)> = Vec::new();
    for metric in &report.metrics {
        let Some(caution) = metric.caution.as_deref() else {
            continue;
        };
        match cautions.iter_mut().find(|(known, _)| *known == caution) {
            Some((_, labels)) => labels.push(&metric.label),
            None => cautions.push((caution, vec![&metric.label])),
        }
    }
    let mut notes: Vec<String> = cautions
        .iter()
        .map(|(caution, labels)| format!("† {}: {caution}", labels.join(", ")))
        .collect();
    let mut figures = report.rows.iter().flat_map(|row| row.figures.values());
    if !notes.is_empty() && figures.any(|figure| figure.estimated) {
        notes.push("~ estimated: the server does not count tokens per event".to_owned());
    }
    notes.extend(cost::note(report));
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// The table over levels: one group per level, one line per backend.
#[must_use]
pub fn groups(report: &Report, columns: &[Column]) -> Vec<Group> {
    let names = short_names(report.backends.iter().map(|backend| backend.label.as_str()));
    report
        .levels
        .iter()
        .map(|level| Group {
            level: level.to_string(),
            lines: report
                .rows
                .iter()
                .filter(|row| row.level == *level)
                .map(|row| line(report, row, columns, &names))
                .collect(),
        })
        .collect()
}

fn line(report: &Report, row: &Row, columns: &[Column], names: &ShortNames) -> Line {
    let place = report
        .backends
        .iter()
        .position(|backend| backend.label == row.backend);
    Line {
        backend: row.backend.clone(),
        brief: names.short(&row.backend),
        place: place.unwrap_or_default(),
        absence: row.absence.as_ref().map(|absence| absence.text.clone()),
        cells: columns.iter().map(|c| cell(report, row, c)).collect(),
        ok: grouped(row.counts.ok),
        failed: match row.counts.failed {
            0 => String::new(),
            n => grouped(n),
        },
        ok_count: row.counts.ok,
        failed_count: row.counts.failed,
        untrustworthy: report.self_check.iter().any(|check| {
            check.backend == row.backend && check.level == row.level && !check.trustworthy
        }),
    }
}
