//! The last thing a run prints: the table over levels, the answer and the
//! warnings, within 100 columns.

mod classes;
mod names;
mod over_time;
mod parts;
mod replicas;

use comfy_table::{Attribute, CellAlignment, LineStyle, Row as TableRow, Table, TableStyle};
use inferbench_model::facts::warning::WarningKind;
use inferbench_model::report::{Report, Warning, warning_line};
use inferbench_model::text::number::grouped;
use inferbench_model::text::visible::visible;

use crate::render::grid::{self, Cell, Column, Line, NARROW};
use crate::render::{kv, runs};
use names::Names;
pub(crate) use over_time::{columns, picture};

/// Widest line, in columns.
pub const WIDTH: usize = 100;

/// Width of the longest bar, in columns, and the parts of a column that a bar
/// can end with.
const BAR_WIDTH: usize = 6;
/// Column of the bars, behind the first figure, which they draw.
const BAR_PLACE: usize = 2;
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Text alone: what is shown to be best has a `*`.
    Plain,
    /// With control codes: the best figure is bold.
    Styled,
}

/// The table, the answer and the warnings, each line ended by a newline. No line
/// of text is wider than `width` columns; of the table those columns are left
/// out that do not fit.
#[must_use]
pub fn render_table(report: &Report, look: Look, width: usize) -> String {
    let wrapped = |text: &str, indent: &str| wrapped_at(width, text, indent);
    let listed = |line: &str| listed_at(width, line);
    let mut lines = wrapped(&head(report), "");
    lines.push(String::new());
    let names = Names::from_report(report);
    let differences = runs::difference_lines(report, names.marks.as_deref());
    if !differences.is_empty() {
        lines.extend(differences.iter().flat_map(|line| listed(line)));
        lines.push(String::new());
    }
    lines.extend(figures(report, &names, look, width));
    lines.extend(replicas::lines(report, &names));
    lines.extend(classes::lines(report, &names));
    for sentence in &report.answer {
        lines.extend(wrapped(sentence, ""));
    }
    for line in runs::change_lines(report) {
        lines.extend(listed(&line));
    }
    for line in kv::lines(report) {
        lines.extend(wrapped(&line, "  "));
    }
    lines.extend(warning_lines(report, width));
    let ended = lines.iter().map(|line| format!("{}\n", line.trim_end()));
    ended.collect()
}

/// The warnings that the answer has not given, most severe first, below a line of room.
fn warning_lines(report: &Report, width: usize) -> Vec<String> {
    let unsaid = report
        .warnings
        .iter()
        .filter(|warning| !is_in_answer(report, warning));
    let wrapped = unsaid.flat_map(|warning| {
        let word = warning.severity.word();
        let text = format!("{word}: {}", warning_line(warning, &report.levels));
        wrapped_at(width, &text, "  ")
    });
    let mut lines: Vec<String> = wrapped.collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// Whether the answer has given it: why a backend has no result at all.
fn is_in_answer(report: &Report, warning: &Warning) -> bool {
    let (WarningKind::BackendFailed { cause, .. }, Some(label)) = (&warning.kind, &warning.backend)
    else {
        return false;
    };
    let backend = report.backends.iter().find(|own| own.label == *label);
    let first = backend.and_then(|own| own.failures.first());
    let gave_no_result = !report.measured().contains(&label.as_str());
    gave_no_result && first.is_some_and(|failure| failure.cause == *cause)
}

/// The table with what its marks mean; nothing if there are no figures.
fn figures(report: &Report, names: &Names, look: Look, width: usize) -> Vec<String> {
    let columns = grid::shown(report, NARROW);
    let groups = grid::groups(report, &columns);
    let all = || groups.iter().flat_map(|group| &group.lines);
    let mut lines = Vec::new();
    if all().all(|line| line.absence.is_some()) {
        return lines;
    }
    lines.extend(fitting(report, columns, names, look, width).lines());
    if all().any(|line| line.cells.iter().any(|cell| cell.best)) {
        lines.push("*: shown to lead its level, or equivalent to what leads".to_owned());
    }
    if all().any(|line| line.cells.iter().any(|cell| cell.too_few.is_some())) {
        lines.push("too few: a p99 needs 100 samples, a p90 10".to_owned());
    }
    if all().any(|line| line.cells.iter().any(|cell| cell.lower)) {
        lines.push("p90: in place of a p99, which needs 100 samples".to_owned());
    }
    if all().any(|line| line.untrustworthy) {
        lines.push("!: untrustworthy, the critical warnings say why".to_owned());
    }
    if let Some(footnote) = grid::footnote(report) {
        lines.extend(wrapped_at(width, &footnote, "  "));
    }
    lines.push(String::new());
    lines
}

fn head(report: &Report) -> String {
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
    visible(&parts.join(" · ")).into_owned()
}

/// Columns in the order in which they give way, after the bars.
const GIVE_WAY: [&str; 5] = ["vs", "ITL", "e2e", "TPOT", "good"];

/// The table with as much as fits.
fn fitting(
    report: &Report,
    mut columns: Vec<Column>,
    names: &Names,
    look: Look,
    width: usize,
) -> Table {
    let drawn = |columns: &[Column], bars| {
        let groups = grid::groups(report, columns);
        table(columns, &groups, names, (look, bars))
    };
    let fits = |table: &Table| {
        let lines = table.lines();
        lines
            .map(|line| console::measure_text_width(line.trim_end()))
            .max()
            <= Some(width)
    };
    let mut made = drawn(&columns, true);
    for heading in GIVE_WAY {
        if fits(&made) {
            return made;
        }
        made = drawn(&columns, false);
        if fits(&made) {
            return made;
        }
        columns.retain(|column| !column.heading.starts_with(heading));
        made = drawn(&columns, false);
    }
    made
}

/// `bars`: whether the first figure is drawn too.
fn table(
    columns: &[Column],
    groups: &[grid::Group],
    names: &Names,
    (look, bars): (Look, bool),
) -> Table {
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
    let most = bars.then(|| most(groups));
    if bars {
        header.insert(BAR_PLACE.min(header.len()), String::new());
    }
    header.push("ok\nfailed".to_owned());
    table.set_header(header);
    for group in groups {
        let level = comfy_table::Cell::new(&group.level).add_attribute(Attribute::Bold);
        table.add_row(vec![level]);
        for line in &group.lines {
            table.add_row(row(line, &names.backends[line.place], most, look));
        }
    }
    for (place, column) in table.column_iter_mut().enumerate().skip(1) {
        if !bars || place != BAR_PLACE {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The largest value of the first column.
fn most(groups: &[grid::Group]) -> f64 {
    let lines = groups.iter().flat_map(|group| &group.lines);
    let values = lines.filter_map(|line| line.cells.first()?.value);
    values.fold(0.0, f64::max)
}

/// A value as a length, the largest one as the longest bar.
fn bar(value: f64, most: f64) -> String {
    let eighths = (value / most * (BAR_WIDTH * EIGHTHS.len()) as f64).round() as usize;
    let (whole, part) = (eighths / EIGHTHS.len(), eighths % EIGHTHS.len());
    format!("{}{}", "█".repeat(whole), EIGHTHS[part])
}

fn row(line: &Line, name: &str, most: Option<f64>, look: Look) -> TableRow {
    let mark = if line.untrustworthy { " !" } else { "" };
    let label = format!("  {name}{mark}");
    let mut cells = vec![comfy_table::Cell::new(label)];
    cells.extend(line.cells.iter().map(|cell| figure(cell, look)));
    if let Some(most) = most {
        let value = line.cells.first().and_then(|cell| cell.value);
        let length = value.filter(|_| most > 0.0).map(|value| bar(value, most));
        let bar = comfy_table::Cell::new(length.unwrap_or_default());
        cells.insert(BAR_PLACE.min(cells.len()), bar);
    }
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

/// The text in lines of at most `width` columns, broken at spaces; all but the
/// first begin with `indent`. A word that is longer stays whole.
pub(crate) fn wrapped_at(width: usize, text: &str, indent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in visible(text).split(' ') {
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

/// A line of a list in lines of at most `width` columns; what goes on is
/// indented further than it.
fn listed_at(width: usize, line: &str) -> Vec<String> {
    let text = line.trim_start();
    let indent = " ".repeat(line.len() - text.len());
    let lines = wrapped_at(width.saturating_sub(indent.len()), text, "    ");
    lines.iter().map(|line| format!("{indent}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_largest() {
        assert_eq!(bar(100.0, 100.0), "██████");
        assert_eq!(bar(50.0, 100.0), "███");
        // an eighth of a column is a 48th of the bar
        assert_eq!(bar(1.0, 48.0), "▏");
        assert_eq!(bar(0.0, 48.0), "");
    }
}
