//! The last thing a run prints: the table over levels, the answer and the
//! warnings, within 100 columns.

use comfy_table::{Attribute, CellAlignment, LineStyle, Row as TableRow, Table, TableStyle};
use inferbench_model::report::number::grouped;
use inferbench_model::report::{Report, Severity};

use crate::render::grid::{self, Cell, Column, Line, NARROW};
use crate::render::{kv, runs};

/// Widest line, in columns.
pub const WIDTH: usize = 100;

/// Widest label of a backend, in columns; a longer one loses its middle.
const LABEL_WIDTH: usize = 16;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Text alone: the best figure bears a `*`.
    Plain,
    /// With control codes: the best figure is bold.
    Styled,
}

/// The table, the answer and the warnings, each line ended by a newline.
#[must_use]
pub fn render_table(report: &Report, look: Look) -> String {
    let mut lines = head(report);
    lines.push(String::new());
    let differences = runs::difference_lines(report);
    if !differences.is_empty() {
        lines.extend(differences.iter().flat_map(|line| wrapped(line, "    ")));
        lines.push(String::new());
    }
    let columns = grid::shown(report, &NARROW);
    let groups = grid::groups(report, &columns);
    let all = || groups.iter().flat_map(|group| &group.lines);
    let has_figures = all().any(|line| line.absence.is_none());
    if has_figures {
        lines.extend(table(&columns, &groups, look).lines());
        if all().any(|line| line.cells.iter().any(|cell| cell.too_few.is_some())) {
            lines.push("too few: a p99 needs 100 samples".to_owned());
        }
        if all().any(|line| line.untrustworthy) {
            lines.push("!: untrustworthy, the critical warnings say why".to_owned());
        }
        if let Some(footnote) = grid::footnote(report) {
            lines.extend(wrapped(&footnote, "  "));
        }
        lines.push(String::new());
    }
    for sentence in &report.answer {
        lines.extend(wrapped(sentence, ""));
    }
    for line in runs::change_lines(report) {
        lines.extend(wrapped(&line, "    "));
    }
    for line in kv::lines(report) {
        lines.extend(wrapped(&line, "  "));
    }
    if !report.warnings.is_empty() {
        lines.push(String::new());
    }
    for warning in &report.warnings {
        let word = match warning.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        lines.extend(wrapped(
            &format!("{word}: {}", warning.line(&report.levels)),
            "  ",
        ));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn head(report: &Report) -> Vec<String> {
    let mut parts = vec![report.name.clone(), report.model.clone()];
    if report.simulated {
        parts.insert(0, "SIMULATED".to_owned());
    }
    parts.push(report.machine.clone());
    let all = report.counts.ok + report.counts.failed;
    parts.push(match report.blocks {
        1 => "1 repeat".to_owned(),
        n => format!("{n} repeats"),
    });
    parts.push(format!("{} requests", grouped(all)));
    wrapped(&parts.join(" · "), "")
}

fn table(columns: &[Column], groups: &[grid::Group], look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    match look {
        Look::Plain => table.force_no_tty(),
        Look::Styled => table.enforce_styling(),
    };
    let mut header = vec![String::new()];
    header.extend(
        columns
            .iter()
            .map(|c| format!("{}\n{}", c.heading_text(), c.unit)),
    );
    header.push("ok\nfailed".to_owned());
    table.set_header(header);
    for group in groups {
        let level = comfy_table::Cell::new(&group.level).add_attribute(Attribute::Bold);
        table.add_row(vec![level]);
        for line in &group.lines {
            table.add_row(row(line, look));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(line: &Line, look: Look) -> TableRow {
    let mark = if line.untrustworthy { " !" } else { "" };
    let label = format!("  {}{mark}", shortened(&line.backend, LABEL_WIDTH));
    let mut cells = vec![comfy_table::Cell::new(label)];
    cells.extend(line.cells.iter().map(|cell| figure(cell, look)));
    let failed = if line.failed.is_empty() {
        "0"
    } else {
        &line.failed
    };
    cells.push(comfy_table::Cell::new(format!("{} / {failed}", line.ok)));
    TableRow::from(cells)
}

fn figure(cell: &Cell, look: Look) -> comfy_table::Cell {
    match (cell.best, look) {
        (true, Look::Styled) => {
            comfy_table::Cell::new(format!("{}*", cell.text)).add_attribute(Attribute::Bold)
        }
        (true, Look::Plain) => comfy_table::Cell::new(format!("{}*", cell.text)),
        (false, _) => comfy_table::Cell::new(format!("{} ", cell.text)),
    }
}

/// The text, or its start and its end around an ellipsis; labels often differ
/// in their last letters only.
fn shortened(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return text.to_owned();
    }
    let end = width / 2;
    let start = width - end - 1;
    let mut short: String = letters[..start].iter().collect();
    short.push('…');
    short.extend(&letters[letters.len() - end..]);
    short
}

/// The text in lines of at most `WIDTH` columns, broken at spaces; all but the
/// first begin with `indent`. A word that is longer stays whole.
fn wrapped(text: &str, indent: &str) -> Vec<String> {
    wrapped_at(WIDTH, text, indent)
}

/// As [`wrapped`], in lines of at most `width` columns.
pub(crate) fn wrapped_at(width: usize, text: &str, indent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a last line");
        let used = last.chars().count();
        let starts = last.trim().is_empty();
        if !starts && used + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
        } else {
            if !starts {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}
