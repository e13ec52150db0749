//! The marks of trust and the doubts of tiles, in words.

use super::wording::listed;
use crate::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS};
use crate::report::data::{DoubtKind, Report, TrustAbout};
use crate::report::fairness::{FairnessRow, FairnessState};
use crate::report::marks::trust::{differing, fewest_requests};
use crate::report::provenance::environment::SelfCheckRow;
use crate::text::number::grouped;

/// What was found about one thing.
pub(super) fn mark(report: &Report, about: TrustAbout) -> String {
    match about {
        TrustAbout::Client => client(report),
        TrustAbout::Work => work(report),
        TrustAbout::Sample => sample(report),
        TrustAbout::Requests => requests(report),
        TrustAbout::Origin if report.simulated => "simulated, not real".to_owned(),
        TrustAbout::Origin => "real servers".to_owned(),
    }
}

/// Why a verdict is in doubt.
pub(super) fn doubt(kind: &DoubtKind) -> String {
    match kind {
        DoubtKind::Untrustworthy => "its measurement is untrustworthy".to_owned(),
        DoubtKind::WorkDiffers { conditions } => work_differs(conditions),
        DoubtKind::FewRequests { requests } => format!("only {requests} requests"),
        DoubtKind::Simulated => "simulated".to_owned(),
    }
}

/// `work differs: output tokens`.
fn work_differs(conditions: &[String]) -> String {
    format!("work differs: {}", listed(conditions))
}

fn client(report: &Report) -> String {
    let all = report.self_check.len();
    let count =
        |broken: fn(&&SelfCheckRow) -> bool| report.self_check.iter().filter(broken).count();
    let limited = count(|row| row.found.client_was_limit);
    match (limited, count(|row| !row.trustworthy)) {
        (0, 0) => "client was not the limit".to_owned(),
        (0, n) => format!("untrustworthy: {n} of {all} measurements"),
        (n, _) => format!("client was the limit in {n} of {all} measurements"),
    }
}

fn work(report: &Report) -> String {
    let unknown = |row: &FairnessRow| row.state == FairnessState::Unknown;
    let differs = differing(report);
    if !differs.is_empty() {
        work_differs(&differs)
    } else if report.fairness.rows.iter().any(unknown) {
        "same work for all, as far as reported".to_owned()
    } else {
        "same work for all".to_owned()
    }
}

fn sample(report: &Report) -> String {
    let fewest = fewest_requests(report);
    if report.blocks < 2 {
        "one repeat: no verdict".to_owned()
    } else if report.blocks < MIN_REPEATS {
        format!("only {} repeats, {MIN_REPEATS} are needed", report.blocks)
    } else if fewest < MIN_REQUESTS {
        format!("only {fewest} requests in some measurement, {MIN_REQUESTS} are needed")
    } else {
        format!(
            "{} repeats on fresh servers, {} requests or more in each measurement",
            report.blocks,
            grouped(fewest)
        )
    }
}

/// Requests that failed and whose, and backends that gave nothing.
fn requests(report: &Report) -> String {
    let (measured, left_out) = (report.measured(), report.left_out());
    let mut found: Vec<String> = Vec::new();
    for backend in &report.backends {
        let label = backend.label.as_str();
        let rows = report.rows.iter().filter(|row| row.backend == label);
        let (ok, failed) = rows.fold((0, 0), |(ok, failed), row| {
            (ok + row.counts.ok, failed + row.counts.failed)
        });
        if left_out.contains(&label) {
            continue;
        }
        if !measured.contains(&label) {
            found.push(format!("{label} gave no result"));
        } else if failed > 0 {
            let all = grouped(ok + failed);
            let failed = grouped(failed);
            found.push(format!("{label}: {failed} of {all} requests failed"));
        }
    }
    match found.is_empty() {
        true => "no request failed".to_owned(),
        false => found.join("; "),
    }
}
