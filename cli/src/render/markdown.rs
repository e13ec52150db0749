//! `summary.md`: the answer, the warnings and the table over levels.

use std::fmt::Write as _;

use inferbench_model::report::runs::ChangeOutcome;
use inferbench_model::report::{FairnessState, Report, Severity, warning_line};
use inferbench_model::text::number::grouped;

use super::Export;
use super::grid::{self, Cell, Line, WIDE};
use super::runs::{self, Sides};

inventory::submit! {
    Export { file: "summary.md", render: |report| Ok(render_markdown(report)) }
}

/// The file `summary.md`.
#[must_use]
pub fn render_markdown(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    sides(&mut page, report);
    warnings(&mut page, report);
    table(&mut page, report);
    fairness(&mut page, report);
    environment(&mut page, report);
    page
}

fn head(page: &mut String, report: &Report) {
    put(page, format_args!("# {}\n", escaped(&report.name)));
    if report.simulated {
        put(page, format_args!("**SIMULATED**\n"));
    }
    let all = report.counts.ok + report.counts.failed;
    let start = match (&report.start_utc, &report.runs) {
        (Some(start), _) => format!("{start} · "),
        // Each run has its own, below.
        (None, Some(_)) => String::new(),
        (None, None) => "start unknown · ".to_owned(),
    };
    put(
        page,
        format_args!(
            "{} · {} · {start}repeats: {} · requests: {}\n",
            escaped(&report.model),
            escaped(&report.machine),
            report.blocks,
            grouped(all)
        ),
    );
    for sentence in &report.answer {
        put(page, format_args!("> {}", escaped(sentence)));
    }
    objectives(page, report);
}

/// What each metric that a reader asks for first shows over all levels.
fn objectives(page: &mut String, report: &Report) {
    let compared = report.tiles.iter().filter(|tile| !tile.sentence.is_empty());
    for (place, tile) in compared.enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        let (label, sentence) = (escaped(&tile.label), escaped(&tile.sentence));
        put(page, format_args!("{gap}- **{label}**: {sentence}"));
    }
}

/// What differs between several runs, what the gate found, and what changed.
fn sides(page: &mut String, report: &Report) {
    let Some(sides) = runs::sides_of_report(report) else {
        return;
    };
    gate(page, report, &sides);
    differences(page, &sides);
    changes(page, &sides);
}

/// What must not become worse, and whether it did.
fn gate(page: &mut String, report: &Report, sides: &Sides) {
    let baseline = escaped(&sides.baseline);
    if let (Some(limit), false) = (runs::limit_text(report), sides.checks.is_empty()) {
        put(
            page,
            format_args!("\n## Not worse than {baseline} by more than {limit}?\n"),
        );
        for check in &sides.checks {
            let mark = if check.fails { "**" } else { "" };
            let text = escaped(&check.text);
            put(page, format_args!("- {mark}{}{mark}: {text}", check.state));
        }
    }
}

fn differences(page: &mut String, sides: &Sides) {
    let names = sides.runs.iter().map(|run| escaped(run));
    let names: Vec<String> = names.collect();
    put(page, format_args!("\n## What differs between the runs\n"));
    put(page, format_args!("| | {} |", names.join(" | ")));
    put(page, format_args!("|---|{}", "---|".repeat(names.len())));
    for row in &sides.rows {
        let values = row.values.iter().map(|value| escaped(value));
        let values: Vec<String> = values.collect();
        let what = escaped(&row.what);
        put(page, format_args!("| {what} | {} |", values.join(" | ")));
    }
}

fn changes(page: &mut String, sides: &Sides) {
    if sides.changes.is_empty() {
        return;
    }
    let baseline = escaped(&sides.baseline);
    put(page, format_args!("\n## Against {baseline}\n"));
    let before = format!("In {baseline}");
    let columns = [
        "Metric",
        "Level",
        "Backend",
        &before,
        "Here",
        "Ratio (95 %)",
        "Verdict",
    ];
    put(page, format_args!("| {} |", columns.join(" | ")));
    put(page, format_args!("|{}", "---|".repeat(columns.len())));
    for change in &sides.changes {
        let outcome = match (change.kind, &change.more) {
            (ChangeOutcome::Worse, None) => format!("**{}**", change.word),
            (ChangeOutcome::Worse, Some(more)) => format!("**{}**: {}", change.word, escaped(more)),
            _ => escaped(&change.outcome),
        };
        let backend = escaped(&change.backend);
        put(
            page,
            format_args!(
                "| {} | {} | {backend} | {} | {} | {} | {outcome} |",
                change.metric, change.level, change.was, change.is, change.ratio
            ),
        );
    }
}

fn warnings(page: &mut String, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    put(page, format_args!("\n## Warnings\n"));
    for warning in &report.warnings {
        let word = match warning.severity {
            Severity::Critical => "**Critical**",
            Severity::Warning => "Warning",
            Severity::Note => "Note",
        };
        let line = escaped(&warning_line(warning, &report.levels));
        put(page, format_args!("- {word}: {line}"));
    }
}

fn table(page: &mut String, report: &Report) {
    let columns = grid::shown(report, WIDE);
    let headings: Vec<String> = columns
        .iter()
        .map(|column| format!("{} ({})", column.heading_text(), column.unit))
        .collect();
    put(page, format_args!("\n## Results\n"));
    put(
        page,
        format_args!(
            "| Level | Backend | {} | OK | Failed |",
            headings.join(" | ")
        ),
    );
    let rule = vec!["---:"; columns.len() + 2].join(" | ");
    put(page, format_args!("|---|---| {rule} |"));
    for group in grid::groups(report, &columns) {
        for line in &group.lines {
            put(page, format_args!("{}", table_row(&group.level, line)));
        }
    }
    if let Some(footnote) = grid::footnote(report) {
        put(page, format_args!("\n{footnote}"));
    }
    let absent = report
        .rows
        .iter()
        .filter_map(|row| Some((row, row.absence.as_ref()?)));
    for (at, (row, absence)) in absent.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        put(
            page,
            format_args!(
                "{gap}- {} at {}: {}",
                escaped(&row.backend),
                row.level,
                escaped(&absence.text)
            ),
        );
    }
}

fn table_row(level: &str, line: &Line) -> String {
    let cells: Vec<String> = line.cells.iter().map(cell).collect();
    let failed = if line.failed.is_empty() {
        "0"
    } else {
        &line.failed
    };
    format!(
        "| {level} | {} | {} | {} | {failed} |",
        escaped(&line.backend),
        cells.join(" | "),
        line.ok
    )
}

fn cell(cell: &Cell) -> String {
    match &cell.too_few {
        Some(few) => format!("too few samples ({few})"),
        None if cell.best => format!("**{}**", cell.text),
        None => cell.text.clone(),
    }
}

fn fairness(page: &mut String, report: &Report) {
    if report.fairness.rows.is_empty() {
        return;
    }
    if report.measured().len() < 2 {
        put(page, format_args!("\n## Asked and received\n"));
        for row in &report.fairness.rows {
            put(
                page,
                format_args!("- {}: {}", row.what, escaped(&row.line())),
            );
        }
        return;
    }
    put(page, format_args!("\n## Same work for all\n"));
    for row in &report.fairness.rows {
        let state = match row.state {
            FairnessState::Same => "same",
            FairnessState::Differs if row.explained.is_some() => "differs, explained",
            FairnessState::Differs => "**differs**",
            FairnessState::Unknown => "unknown",
        };
        put(
            page,
            format_args!("- {}: {state}; {}", row.what, escaped(&row.line())),
        );
    }
    for pair in &report.fairness.agreement {
        put(
            page,
            format_args!(
                "- Identical answers of {} and {}: {}",
                escaped(&pair.a),
                escaped(&pair.b),
                pair.line()
            ),
        );
    }
}

fn environment(page: &mut String, report: &Report) {
    put(page, format_args!("\n## Environment\n"));
    for fact in &report.environment {
        let text = fact
            .text
            .as_deref()
            .map_or_else(|| "unknown".to_owned(), escaped);
        put(page, format_args!("- {}: {text}", fact.name));
    }
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    // writing to a String cannot fail
    let _ = writeln!(page, "{line}");
}

/// Text that Markdown shows as it is, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
