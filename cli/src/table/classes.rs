//! The table of classes of traffic in the terminal.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use inferbench_model::report::{ClassRow, Report};
use inferbench_model::text::number::{percent, three_digits};

use super::names::Names;
use crate::render::names::shortened;

/// Widest name of a class, in columns.
const CLASS_WIDTH: usize = 16;

/// The classes at every level, an empty line behind them; nothing without any.
pub(super) fn lines(report: &Report, names: &Names) -> Vec<String> {
    if report.classes.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.force_no_tty();
    table.set_header([
        "class",
        "",
        "",
        "TTFT\np50 ms",
        "TTFT\np99 ms",
        "TPOT\np50 ms",
        "attained\nSLO",
        "ok\nfailed",
    ]);
    for row in &report.classes {
        let place = report.backends.iter().position(|b| b.label == row.backend);
        let name = place.map_or(row.backend.as_str(), |place| &names.backends[place]);
        table.add_row(cells(row, name));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().chain([String::new()]);
    lines.collect()
}

fn cells(row: &ClassRow, name: &str) -> [String; 8] {
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), three_digits);
    [
        shortened(&row.class, CLASS_WIDTH),
        name.to_owned(),
        row.level.to_string(),
        figure(row.ttft_ms.p50),
        figure(row.ttft_ms.p99),
        figure(row.tpot_ms.p50),
        row.slo_attainment.map_or_else(|| "–".to_owned(), percent),
        format!("{} / {}", row.counts.ok, row.counts.failed),
    ]
}
