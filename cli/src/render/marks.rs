//! Marks of trust under the verdict: each a fact and a link to the section
//! that explains it.

use inferbench_model::report::number::grouped;
use inferbench_model::report::{FairnessState, Report, SelfCheckRow};
use serde::Serialize;

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// Nothing speaks against trusting the figures.
    pub(super) ok: bool,
    /// The fact.
    pub(super) text: String,
    /// Id of the section that explains it.
    pub(super) section: &'static str,
}

fn mark(ok: bool, text: impl Into<String>, section: &'static str) -> Mark {
    Mark {
        ok,
        text: text.into(),
        section,
    }
}

/// The marks of a report; none if nothing was measured.
pub(super) fn of(report: &Report) -> Vec<Mark> {
    if report.self_check.is_empty() {
        return Vec::new();
    }
    let mut marks = vec![client(report)];
    if report.measured().len() > 1 {
        marks.push(work(report));
    }
    marks.push(requests(report));
    marks.push(match report.blocks {
        1 => mark(false, "one repeat: no verdict", "results"),
        n => mark(true, format!("{n} repeats on fresh servers"), "results"),
    });
    marks
}

fn client(report: &Report) -> Mark {
    let all = report.self_check.len();
    let count =
        |broken: fn(&&SelfCheckRow) -> bool| report.self_check.iter().filter(broken).count();
    let limited = count(|row| row.found.client_was_limit);
    match (limited, count(|row| !row.trustworthy)) {
        (0, 0) => mark(true, "client was not the limit", "self-check"),
        (0, n) => mark(
            false,
            format!("{n} of {all} measurements are untrustworthy"),
            "self-check",
        ),
        (n, _) => mark(
            false,
            format!("client was the limit in {n} of {all} measurements"),
            "self-check",
        ),
    }
}

fn work(report: &Report) -> Mark {
    let rows = &report.fairness.rows;
    if rows
        .iter()
        .any(inferbench_model::report::FairnessRow::breaks)
    {
        mark(false, "not the same work for all", "fairness")
    } else if rows.iter().any(|row| row.state == FairnessState::Unknown) {
        mark(true, "same work for all, as far as told", "fairness")
    } else {
        mark(true, "same work for all", "fairness")
    }
}

fn requests(report: &Report) -> Mark {
    let all = report.counts.ok + report.counts.failed;
    match report.counts.failed {
        0 => mark(true, "no request failed", "results"),
        n => mark(
            false,
            format!("{} of {} requests failed", grouped(n), grouped(all)),
            "failures",
        ),
    }
}
