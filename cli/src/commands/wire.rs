//! What a capture shows of a run, in lines for a terminal.

use inferbench_model::text::number::{counted, grouped};
use inferbench_model::verify::wire::{CaptureFacts, WireComparison, WireDifference, WireRequests};

/// Headings of the table, and how wide each column is.
const COLUMNS: [(&str, usize); 7] = [
    ("values", 9),
    ("run", 11),
    ("wire", 11),
    ("mean", 9),
    ("median", 9),
    ("p99", 9),
    ("largest", 9),
];

/// The capture, the requests found in it, and the table of differences.
pub(super) fn lines(comparison: &WireComparison) -> Vec<String> {
    let mut lines = vec![String::new(), capture(&comparison.capture)];
    lines.extend(requests(&comparison.requests));
    lines.extend(table(&comparison.differences));
    lines.push(String::new());
    lines
}

fn capture(facts: &CaptureFacts) -> String {
    let mut line = format!(
        "{}: {} from {} to {}, {} with HTTP",
        facts.file,
        counted(facts.packets, "packet"),
        facts.first_utc,
        facts.last_utc,
        counted(facts.http_connections, "connection"),
    );
    for (count, what) in [
        (facts.tls_connections, "connections with TLS, not read"),
        (facts.cut_packets, "packets cut by the snapshot length"),
        (facts.unread_packets, "packets of other link types"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    if facts.is_cut_short {
        line.push_str(", the file ends inside a packet");
    }
    line
}

/// What became of the requests, one line a fate.
fn requests(requests: &WireRequests) -> Vec<String> {
    let found = format!(
        "{} of {} requests found with their whole answer, {} compared",
        grouped(requests.found),
        grouped(requests.sent),
        grouped(requests.compared),
    );
    let fates = fates(requests).into_iter();
    let fates = fates.filter(|(count, _)| *count > 0);
    let fates = fates.map(|(count, what)| format!("  {} {what}", grouped(count)));
    std::iter::once(found).chain(fates).collect()
}

#[rustfmt::skip]
fn fates(requests: &WireRequests) -> [(u64, &'static str); 8] {
    [
        (requests.packets_missing, "found, but packets of them are missing in the capture"),
        (requests.not_on_wire, "not seen: the capture has no such request"),
        (requests.outside_capture, "not seen: sent before or after the capture"),
        (requests.no_plain_http, "not seen: their backend does not speak plain HTTP"),
        (requests.other_answer, "found with another text in the answer"),
        (requests.other_events, "found with another number of output events"),
        (requests.shared_events, "output events came in one read with a later one and have its time: not compared"),
        (requests.not_in_run, "on the wire during the load, but not in the run"),
    ]
}

/// Milliseconds by the run and by the wire, and by how much they differ.
fn table(rows: &[WireDifference]) -> Vec<String> {
    let names: Vec<String> = rows.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    let Some(width) = width else {
        return Vec::new();
    };
    let columns = |cells: [String; 7]| -> String {
        let padded = cells.iter().zip(COLUMNS);
        padded
            .map(|(cell, (_, width))| format!("{cell:>width$}"))
            .collect()
    };
    let mut lines = vec![format!(
        "{:width$}{}",
        "ms",
        columns(COLUMNS.map(|(heading, _)| heading.to_owned()))
    )];
    for (row, name) in rows.iter().zip(names) {
        let cells = columns([
            grouped(row.values),
            format!("{:.3}", row.run_mean_ms),
            format!("{:.3}", row.wire_mean_ms),
            format!("{:+.4}", row.mean_ms),
            format!("{:.4}", row.median_ms),
            format!("{:.4}", row.p99_ms),
            format!("{:.4}", row.largest_ms),
        ]);
        lines.push(format!("{name:width$}{cells}"));
    }
    lines
}

fn name(row: &WireDifference) -> String {
    let metric = row.metric.trim_end_matches("_ms");
    format!("  {} {metric}", row.backend)
}
