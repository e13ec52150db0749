//! The table of classes of traffic in the terminal.

use inferbench_model::report::{ClassRow, Report};
use inferbench_model::text::number::{percent, three_digits};

use super::names::Names;
use super::parts::{self, backend_name};
use crate::render::names::shortened;

/// Widest name of a class, in columns.
const CLASS_WIDTH: usize = 16;

/// The classes at every level, an empty line behind them; nothing without any.
pub(super) fn lines(report: &Report, names: &Names) -> Vec<String> {
    let headings = [
        "class",
        "",
        "",
        "TTFT\np50 ms",
        "TTFT\np99 ms",
        "TPOT\np50 ms",
        "attained\nSLO",
        "ok\nfailed",
    ];
    let rows = report.classes.iter();
    parts::lines(
        headings,
        rows.map(|row| cells(row, backend_name(report, names, &row.backend))),
    )
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
