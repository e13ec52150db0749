//! The table of replicas in the terminal.

use inferbench_model::report::{ReplicaRow, Report};
use inferbench_model::text::number::three_digits;

use super::names::Names;
use super::parts::{self, backend_name};
use crate::render::names::shortened;

/// Widest URL, in columns.
const URL_WIDTH: usize = 26;

/// The replicas at every level, an empty line behind them; nothing without any.
pub(super) fn lines(report: &Report, names: &Names) -> Vec<String> {
    let headings = [
        "replica",
        "",
        "",
        "requests\nper s",
        "TTFT\np50 ms",
        "TTFT\np99 ms",
        "TPOT\np50 ms",
        "ok\nfailed",
    ];
    let rows = report.replicas.iter();
    parts::lines(
        headings,
        rows.map(|row| cells(row, backend_name(report, names, &row.backend))),
    )
}

fn cells(row: &ReplicaRow, name: &str) -> [String; 8] {
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), three_digits);
    [
        shortened(&named(row), URL_WIDTH),
        name.to_owned(),
        row.level.to_string(),
        figure(row.request_throughput),
        figure(row.ttft_ms.p50),
        figure(row.ttft_ms.p99),
        figure(row.tpot_ms.p50),
        format!("{} / {}", row.counts.ok, row.counts.failed),
    ]
}

/// The URL of a replica, or its number if that is not known.
fn named(row: &ReplicaRow) -> String {
    match &row.url {
        Some(url) => url.strip_prefix("http://").unwrap_or(url).to_owned(),
        None => row.replica.to_string(),
    }
}
