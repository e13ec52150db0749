//! Reasons to doubt the run as a whole, and to doubt the verdict of a tile.

use crate::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS};
use crate::report::data::{Doubt, DoubtKind, Report, Tile, TrustAbout, TrustMark};
use crate::report::verdict::compare::Reason;
use crate::stats::samples_needed;

/// The marks of a report, without words; none if nothing was measured.
pub(crate) fn marks(report: &Report) -> Vec<TrustMark> {
    if report.self_check.is_empty() {
        return Vec::new();
    }
    let mark = |about, ok| TrustMark {
        about,
        ok,
        text: String::new(),
    };
    let mut marks = vec![mark(TrustAbout::Client, client_holds(report))];
    if report.measured().len() > 1 {
        let same_work = report.fairness.broken().next().is_none();
        marks.push(mark(TrustAbout::Work, same_work));
    }
    marks.extend([
        mark(TrustAbout::Sample, sample_is_enough(report)),
        mark(TrustAbout::Requests, all_succeeded(report)),
        mark(TrustAbout::Origin, !report.simulated),
    ]);
    marks
}

fn client_holds(report: &Report) -> bool {
    let mut rows = report.self_check.iter();
    rows.all(|row| row.trustworthy && !row.found.client_was_limit)
}

/// Judged as `verify` does by its rules V09 and V13.
fn sample_is_enough(report: &Report) -> bool {
    report.blocks >= MIN_REPEATS && fewest_requests(report) >= MIN_REQUESTS
}

/// Successful requests of the measurement that has fewest.
pub(crate) fn fewest_requests(report: &Report) -> u64 {
    let counts = report.self_check.iter().filter_map(|row| row.requests_ok);
    counts.min().unwrap_or(0)
}

fn all_succeeded(report: &Report) -> bool {
    let measured = report.measured();
    let left_out = report.left_out();
    let is_measured =
        |label: &String| measured.contains(&label.as_str()) || left_out.contains(&label.as_str());
    let mut labels = report.backends.iter().map(|backend| &backend.label);
    labels.all(is_measured) && report.rows.iter().all(|row| row.counts.failed == 0)
}

/// Headings of the conditions that differ, in lower case.
pub(crate) fn differing(report: &Report) -> Vec<String> {
    let broken = report.fairness.broken();
    broken.map(|row| row.what.to_lowercase()).collect()
}

/// Fewest requests of a backend at a level that show something of it: those that
/// carry a p90.
fn needed() -> u64 {
    samples_needed(90.0) as u64
}

/// Reasons to doubt the verdict of a tile, without words.
pub(crate) fn doubts(report: &Report, tile: &Tile) -> Vec<Doubt> {
    let compared = &tile.comparison;
    let labels: Vec<&str> = std::iter::once(compared.best.as_str())
        .chain(compared.second.as_deref())
        .collect();
    let mut found = Vec::new();
    let limited = compared.reason == Some(Reason::ClientWasLimit);
    let broken = report.self_check.iter().any(|row| {
        !row.trustworthy && row.level == compared.level && labels.contains(&row.backend.as_str())
    });
    if broken && !limited {
        found.push(DoubtKind::Untrustworthy);
    }
    let conditions = differing(report);
    let is_said = compared.reason == Some(Reason::WorkDiffers);
    if compared.second.is_some() && !is_said && !conditions.is_empty() {
        found.push(DoubtKind::WorkDiffers { conditions });
    }
    let rows = labels
        .iter()
        .filter_map(|label| report.row(label, &compared.level));
    let requests = rows.map(|row| row.counts.ok).min().unwrap_or(0);
    if requests < needed() {
        found.push(DoubtKind::FewRequests { requests });
    }
    let mut backends = report.backends.iter();
    if backends.any(|backend| backend.simulated && labels.contains(&backend.label.as_str())) {
        found.push(DoubtKind::Simulated);
    }
    let doubt = |kind| Doubt {
        kind,
        text: String::new(),
    };
    found.into_iter().map(doubt).collect()
}
