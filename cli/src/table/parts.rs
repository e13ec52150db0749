//! A table of parts of the requests, such as classes or replicas, in the terminal.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use inferbench_model::report::Report;

use super::names::Names;

/// Columns of text before those of figures.
const TEXT_COLUMNS: usize = 3;

/// The lines of a table, an empty one behind them; nothing without rows. The first three
/// columns are text.
pub(super) fn lines<const N: usize>(
    headings: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Vec::new();
    }
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.force_no_tty();
    table.set_header(headings);
    rows.for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(TEXT_COLUMNS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().chain([String::new()]);
    lines.collect()
}

/// The name of a backend in the terminal.
pub(super) fn backend_name<'a>(report: &Report, names: &'a Names, label: &'a str) -> &'a str {
    let place = report.backends.iter().position(|b| b.label == label);
    place.map_or(label, |place| &names.backends[place])
}
