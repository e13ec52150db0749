//! What a reader must know before trusting the figures, most severe first and
//! each said once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::row::CellRow;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::manifest::{ExitState, Manifest};
use crate::report::Report;
use crate::report::fairness::FairnessState;
use crate::report::figures::steady_state;
use crate::report::runs::RunsCompared;
use crate::report::verdict::chunking;
use crate::report::verdict::drift;
use crate::report::wording::at_levels;

/// How much a warning matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Some figure or verdict is not to be trusted, or is missing.
    Critical,
    /// It can change how a figure is read.
    Warning,
    /// Good to know.
    Note,
}

/// One thing a reader must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// How much it matters.
    pub severity: Severity,
    /// What it is; names neither the backend nor the levels.
    pub text: String,
    /// Label of the backend that it is about; absent if it is about the run.
    pub backend: Option<String>,
    /// Levels that it is about, in the order of the config; empty if about all.
    pub levels: Vec<Level>,
}

impl Warning {
    /// The warning as one line: `vllm, at concurrency 8: text`.
    #[must_use]
    pub fn line(&self, all_levels: &[Level]) -> String {
        let mut place: Vec<String> = self.backend.iter().cloned().collect();
        if !self.levels.is_empty() && all_levels.len() > 1 {
            place.push(at_levels(all_levels, &self.levels));
        }
        if place.is_empty() {
            self.text.clone()
        } else {
            format!("{}: {}", place.join(", "), self.text)
        }
    }
}

pub(crate) fn build(report: &Report, manifest: &Manifest, cells: &[CellRow]) -> Vec<Warning> {
    let mut found = of_run(report, manifest);
    found.extend(report.runs.iter().flat_map(RunsCompared::warnings));
    found.extend(of_starts(report));
    found.extend(of_fairness(report));
    let doubt = report.fairness.doubt();
    found.extend(doubt.map(|text| about_run(Severity::Warning, text)));
    found.extend(of_caches(report));
    found.extend(merged(steady_state::warnings(report), report));
    found.extend(of_requests(report));
    found.extend(of_cells(report, cells));
    found.extend(report.drift.as_ref().and_then(drift::warning));
    found.extend(chunking::warnings(report));
    found.sort_by_key(|warning| warning.severity);
    found
}

pub(crate) fn about_run(severity: Severity, text: impl Into<String>) -> Warning {
    Warning {
        severity,
        text: text.into(),
        backend: None,
        levels: Vec::new(),
    }
}

fn of_run(report: &Report, manifest: &Manifest) -> Vec<Warning> {
    let mut found = Vec::new();
    match report.exit_state {
        // Said of each run.
        _ if report.runs.is_some() => {}
        ExitState::Interrupted => found.push(about_run(
            Severity::Critical,
            "the run was interrupted: levels are missing",
        )),
        ExitState::Running => found.push(about_run(
            Severity::Critical,
            "the run has not ended, or its end was not written",
        )),
        ExitState::Done | ExitState::Incomplete => {}
    }
    for text in &manifest.warnings {
        if !found.iter().any(|warning: &Warning| warning.text == *text) {
            found.push(about_run(Severity::Warning, text.clone()));
        }
    }
    if report.blocks == 1 && report.backends.len() > 1 {
        found.push(about_run(
            Severity::Note,
            "one repeat gives figures and no verdict; set repeats to 2 or more for one",
        ));
    }
    found
}

fn of_starts(report: &Report) -> Vec<Warning> {
    let mut found: Vec<Warning> = Vec::new();
    for backend in &report.backends {
        for failure in &backend.failures {
            let text = failure.words();
            let known = found.iter().any(|warning| {
                warning.backend.as_deref() == Some(&backend.label) && warning.text == text
            });
            if !known {
                found.push(Warning {
                    severity: Severity::Critical,
                    text,
                    backend: Some(backend.label.clone()),
                    levels: Vec::new(),
                });
            }
        }
    }
    found
}

fn of_fairness(report: &Report) -> Vec<Warning> {
    let rows = report.fairness.rows.iter();
    let alone = report.measured().len() < 2;
    rows.filter(|row| row.breaks() && !alone)
        .map(|row| {
            let text = format!("{}, not the same for all: {}", row.what, row.line());
            about_run(Severity::Critical, text)
        })
        .chain(
            report
                .fairness
                .rows
                .iter()
                .filter(|row| row.state == FairnessState::Unknown && !alone)
                .filter(|row| row.what.ends_with("tokens"))
                .map(|row| {
                    let text = format!("{} cannot be compared: {}", row.what, row.line());
                    about_run(Severity::Warning, text)
                }),
        )
        .collect()
}

/// How many requests of each backend failed, over all its levels and repeats.
fn of_requests(report: &Report) -> impl Iterator<Item = Warning> {
    report.backends.iter().filter_map(|backend| {
        let own = report
            .rows
            .iter()
            .filter(|row| row.backend == backend.label);
        let mut counts = Counts::default();
        own.clone().for_each(|row| counts.add(&row.counts));
        let failing = own.filter(|row| row.counts.failed > 0);
        Some(Warning {
            severity: Severity::Warning,
            text: counts.failed_words()?,
            backend: Some(backend.label.clone()),
            levels: failing.map(|row| row.level).collect(),
        })
    })
}

/// Without failed requests, which are counted over all cells.
fn of_cells(report: &Report, cells: &[CellRow]) -> Vec<Warning> {
    let each = cells.iter().flat_map(|cell| {
        let failed = cell.counts.failed_words();
        let others = cell.warnings.iter();
        let others = others.filter(move |text| failed.as_ref() != Some(text));
        others.map(|text| Warning {
            severity: severity_of(cell, text),
            text: text.clone(),
            backend: Some(cell.backend.clone()),
            levels: vec![cell.level],
        })
    });
    merged(each, report)
}

/// Said of a backend that is measured alone; of several, fairness says it.
fn of_caches(report: &Report) -> impl Iterator<Item = Warning> {
    let is_alone = report.measured().len() < 2;
    let cached = report.backends.iter().filter_map(move |backend| {
        let audit = backend.cache_audit.as_ref()?;
        (is_alone && audit.is_cached()).then_some((backend, audit))
    });
    cached.map(|(backend, audit)| Warning {
        severity: Severity::Critical,
        text: format!(
            "answers may come from a cache: a prompt that was asked before {}",
            audit.words()
        ),
        backend: Some(backend.label.clone()),
        levels: Vec::new(),
    })
}

/// Warnings of the same kind, which differ in their numbers and levels only.
struct Kind {
    /// The words without numbers.
    words: String,
    times: usize,
    first: Warning,
}

/// Warnings of one kind are one warning, in the words of the first: those of one
/// backend, and those of all where more than two backends have it.
fn merged(each: impl Iterator<Item = Warning>, report: &Report) -> Vec<Warning> {
    let one = each.map(|warning| Kind {
        words: without_numbers(&warning.text),
        times: 1,
        first: warning,
    });
    let mut kinds = joined(one);
    let all_words: Vec<String> = kinds.iter().map(|kind| kind.words.clone()).collect();
    for kind in &mut kinds {
        let same = all_words.iter().filter(|words| **words == kind.words);
        if report.backends.len() > 2 && same.count() == report.backends.len() {
            kind.first.backend = None;
        }
    }
    let place = |level: &Level| report.levels.iter().position(|other| other == level);
    let all = joined(kinds.into_iter()).into_iter();
    all.map(|kind| {
        let mut warning = kind.told();
        warning.levels.sort_by_key(place);
        warning
    })
    .collect()
}

impl Kind {
    /// The warning, with how many more there are.
    fn told(self) -> Warning {
        let mut warning = self.first;
        let has_numbers = warning.text.chars().any(|c| c.is_ascii_digit());
        if self.times > 1 && has_numbers {
            let more = format!("; and {} more like it", self.times - 1);
            warning.text.push_str(&more);
        }
        if self.times > 1 && warning.backend.is_none() {
            warning.text.push_str(", over all backends");
        }
        warning
    }
}

/// Joins those of the same words and the same backend.
fn joined(each: impl Iterator<Item = Kind>) -> Vec<Kind> {
    let mut found: Vec<Kind> = Vec::new();
    for kind in each {
        let is_same = |known: &&mut Kind| {
            known.words == kind.words && known.first.backend == kind.first.backend
        };
        match found.iter_mut().find(is_same) {
            Some(known) => {
                known.times += kind.times;
                let levels = &mut known.first.levels;
                let new = kind.first.levels.iter();
                let new = new.filter(|level| !levels.contains(level));
                let new: Vec<Level> = new.copied().collect();
                levels.extend(new);
            }
            None => found.push(kind),
        }
    }
    found
}

fn severity_of(cell: &CellRow, text: &str) -> Severity {
    let is_breach = cell.breaches.iter().any(|breach| breach.text == text);
    let has_none = cell.window.is_none() && text.contains("no measured window");
    if is_breach || has_none {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

fn without_numbers(text: &str) -> String {
    let parts = text.split(|c: char| c.is_ascii_digit() || c == '.');
    parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("#")
}
