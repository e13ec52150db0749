//! Several runs side by side as text: what differs between them, what changed,
//! and what the gate found; for the page, the summary and the terminal.

use inferbench_model::report::Report;
use inferbench_model::report::runs::{
    Change, ChangeOutcome, DifferenceAbout, Gate, GateCheck, GateState,
};
use inferbench_model::report::runs::{ComparedRun, RunsCompared};
use inferbench_model::text::number::with_unit;
use serde::Serialize;

use super::time::utc;

/// Letters of a value that the terminal shows.
const SHORT: usize = 40;
const DASH: &str = "–";
/// The state of a check that excludes what the gate asks for.
const HELD: &str = "held";

/// What the page and the summary show.
#[derive(Debug, Serialize)]
pub struct Sides {
    /// Labels of the runs.
    pub runs: Vec<String>,
    /// Label of the baseline run.
    pub baseline: String,
    /// What each run is, and what is not the same in all.
    pub rows: Vec<SideRow>,
    /// Whether anything but the time of the runs differs.
    pub differs: bool,
    /// Every backend against its baseline.
    pub changes: Vec<ChangeLine>,
    /// What the gate found, most important first; empty without a gate.
    pub checks: Vec<CheckLine>,
}

/// One thing over the runs.
#[derive(Debug, Serialize)]
pub struct SideRow {
    /// What it belongs to.
    pub about: &'static str,
    /// What it is.
    pub what: String,
    /// What it is in each run.
    pub values: Vec<String>,
}

/// One backend against its baseline, in one metric at one level.
#[derive(Debug, Serialize)]
pub struct ChangeLine {
    /// Heading of the metric.
    pub metric: String,
    pub level: String,
    /// Label of the backend.
    pub backend: String,
    /// Place of the backend in the report.
    pub place: usize,
    /// The baseline's value with its unit.
    pub was: String,
    /// The backend's value with its unit.
    pub is: String,
    /// Backend over baseline with its interval.
    pub ratio: String,
    /// What follows, and what more is to be said of it.
    pub outcome: String,
    /// What follows, in a word or two.
    pub word: &'static str,
    /// What more is to be said of it.
    pub more: Option<String>,
    /// The same as a fixed word.
    pub kind: ChangeOutcome,
}

/// One check of the gate.
#[derive(Debug, Serialize)]
pub struct CheckLine {
    /// What it shows.
    pub state: &'static str,
    /// Whether the gate fails by it.
    pub fails: bool,
    /// What was found.
    pub text: String,
}

/// `None` for a report of one run.
#[must_use]
pub fn sides_of_report(report: &Report) -> Option<Sides> {
    let runs = report.runs.as_ref()?;
    let mut rows = vec![
        fact(runs, "Started", |run| {
            run.start_utc
                .as_deref()
                .map_or_else(|| "unknown".to_owned(), utc)
        }),
        fact(runs, "Repeats", |run| run.blocks.to_string()),
    ];
    rows.extend(runs.differences.iter().map(|difference| SideRow {
        about: match difference.about {
            DifferenceAbout::Config => "config",
            DifferenceAbout::Version => "version",
            DifferenceAbout::Hardware => "hardware",
        },
        what: difference.what.clone(),
        values: difference.values.iter().map(said).collect(),
    }));
    Some(Sides {
        runs: runs.runs.iter().map(|run| run.label.clone()).collect(),
        baseline: runs.baseline.clone(),
        rows,
        differs: !runs.differences.is_empty(),
        changes: runs.changes.iter().map(|c| change(report, c)).collect(),
        checks: runs
            .gate
            .iter()
            .flat_map(Gate::by_weight)
            .map(check)
            .collect(),
    })
}

fn fact(runs: &RunsCompared, what: &str, of: impl Fn(&ComparedRun) -> String) -> SideRow {
    SideRow {
        about: "run",
        what: what.to_owned(),
        values: runs.runs.iter().map(of).collect(),
    }
}

fn said(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| DASH.to_owned())
}

fn change(report: &Report, change: &Change) -> ChangeLine {
    let unit = report.metrics.iter().find(|m| m.name == change.metric);
    let unit = unit.map_or("", |metric| metric.unit.as_str());
    let value = |value: Option<f64>| value.map_or(DASH.to_owned(), |v| with_unit(v, unit));
    let mut backends = report.backends.iter();
    ChangeLine {
        metric: change.label().to_owned(),
        level: change.level.to_string(),
        backend: change.backend.clone(),
        place: backends
            .position(|backend| backend.label == change.backend)
            .unwrap_or_default(),
        was: value(change.baseline_value),
        is: value(change.value),
        ratio: change.ratio_text(),
        outcome: change.outcome_text(),
        word: change.outcome_word(),
        more: change.outcome_more(),
        kind: change.outcome,
    }
}

fn check(check: &GateCheck) -> CheckLine {
    let (state, fails) = match check.state {
        GateState::Regressed => ("regressed", true),
        GateState::Lost => ("lost", true),
        GateState::Undecided => ("undecided", false),
        GateState::Held => (HELD, false),
    };
    CheckLine {
        state,
        fails,
        text: check.line(),
    }
}

/// What differs, for the terminal: one line each, empty for a report of one run.
/// `marks`: what stands for each run in the table, if that is not its label.
#[must_use]
pub fn difference_lines(report: &Report, marks: Option<&[String]>) -> Vec<String> {
    let Some(sides) = sides_of_report(report) else {
        return Vec::new();
    };
    let names = marks.unwrap_or(&sides.runs);
    let mut lines = Vec::new();
    if let Some(marks) = marks {
        let runs = marks.iter().zip(&sides.runs);
        lines.extend(runs.map(|(mark, run)| format!("{mark} is {run}")));
    }
    lines.push(match sides.differs {
        true => "What differs between the runs:".to_owned(),
        false => "Nothing differs between the runs in config, versions and hardware.".to_owned(),
    });
    lines.extend(sides.rows.iter().map(|row| {
        let values = names.iter().zip(&row.values);
        let values = values.map(|(run, value)| format!("{run} {}", shortened(value)));
        let values: Vec<String> = values.collect();
        format!("  {}: {}", row.what, values.join(" | "))
    }));
    lines
}

/// What the gate found and what changed, for the terminal: what was held, and
/// all metrics but the first, are counted.
#[must_use]
pub fn change_lines(report: &Report) -> Vec<String> {
    let Some(sides) = sides_of_report(report) else {
        return Vec::new();
    };
    let differing = sides.checks.iter().filter(|check| check.state != HELD);
    let mut lines: Vec<String> = differing
        .map(|check| format!("{}: {}", check.state, check.text))
        .collect();
    let held = sides.checks.iter().filter(|check| check.state == HELD);
    match held.count() {
        0 => {}
        n => lines.push(format!("{HELD}: {n} of {}", sides.checks.len())),
    }
    let Some(first) = sides.changes.first() else {
        return lines;
    };
    lines.push(format!("Against {}:", sides.baseline));
    let is_first = |change: &&ChangeLine| change.metric == first.metric;
    lines.extend(sides.changes.iter().filter(is_first).map(|change| {
        let name = change.metric.to_lowercase();
        format!(
            "  {}, {name} at {}: {} {}",
            change.backend, change.level, change.ratio, change.outcome
        )
    }));
    let others = sides.changes.chunk_by(|a, b| a.metric == b.metric).skip(1);
    lines.extend(others.map(counts_line));
    lines
}

/// `  time to first token: worse 2, inconclusive 2`.
fn counts_line(changes: &[ChangeLine]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for change in changes {
        match counts.iter_mut().find(|(known, _)| *known == change.word) {
            Some((_, n)) => *n += 1,
            None => counts.push((change.word, 1)),
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{word} {n}"))
        .collect();
    let name = changes.first().map(|change| change.metric.to_lowercase());
    format!("  {}: {}", name.unwrap_or_default(), counts.join(", "))
}

fn shortened(value: &str) -> String {
    let mut short: String = value.chars().take(SHORT).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

/// The limit of the gate.
#[must_use]
pub fn limit_text(report: &Report) -> Option<String> {
    let gate = report.runs.as_ref()?.gate.as_ref()?;
    Some(gate.limit_text())
}
