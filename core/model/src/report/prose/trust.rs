//! Whether the answer is to be believed: what was checked, and which verdict a
//! failed check takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS};
use crate::report::wording::listed;
use crate::report::{FairnessRow, FairnessState, Reason, Report, SelfCheckRow, Tile};
use crate::stats::samples_needed;
use crate::text::number::grouped;

/// One check of the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustMark {
    /// What was checked.
    pub about: TrustAbout,
    /// Nothing speaks against trusting the figures.
    pub ok: bool,
    /// What was found, in words.
    pub text: String,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustAbout {
    /// Whether the client was the limit, or measured wrongly.
    Client,
    /// Whether all backends did the same work.
    Work,
    /// Repeats and requests.
    Sample,
    /// Requests that failed.
    Requests,
    /// Simulated or real.
    Origin,
}

/// The marks of a report; none if nothing was measured.
pub(crate) fn marks(report: &Report) -> Vec<TrustMark> {
    if report.self_check.is_empty() {
        return Vec::new();
    }
    let mut marks = vec![client(report)];
    if report.measured().len() > 1 {
        marks.push(work(report));
    }
    marks.extend([sample(report), requests(report), origin(report)]);
    marks
}

fn mark(about: TrustAbout, ok: bool, text: impl Into<String>) -> TrustMark {
    TrustMark {
        about,
        ok,
        text: text.into(),
    }
}

fn client(report: &Report) -> TrustMark {
    let all = report.self_check.len();
    let count =
        |broken: fn(&&SelfCheckRow) -> bool| report.self_check.iter().filter(broken).count();
    let limited = count(|row| row.found.client_was_limit);
    match (limited, count(|row| !row.trustworthy)) {
        (0, 0) => mark(TrustAbout::Client, true, "client was not the limit"),
        (0, n) => mark(
            TrustAbout::Client,
            false,
            format!("untrustworthy: {n} of {all} measurements"),
        ),
        (n, _) => mark(
            TrustAbout::Client,
            false,
            format!("client was the limit in {n} of {all} measurements"),
        ),
    }
}

fn work(report: &Report) -> TrustMark {
    let unknown = |row: &FairnessRow| row.state == FairnessState::Unknown;
    if let Some(differs) = differing(report) {
        mark(TrustAbout::Work, false, differs)
    } else if report.fairness.rows.iter().any(unknown) {
        mark(TrustAbout::Work, true, "same work for all, as far as told")
    } else {
        mark(TrustAbout::Work, true, "same work for all")
    }
}

/// `work differs: output tokens`.
fn differing(report: &Report) -> Option<String> {
    let broken = report.fairness.broken();
    let broken: Vec<String> = broken.map(|row| row.what.to_lowercase()).collect();
    (!broken.is_empty()).then(|| format!("work differs: {}", listed(&broken)))
}

/// Fewest requests of a backend at a level that tell something of it: those that
/// carry a p90.
fn needed() -> u64 {
    samples_needed(90.0) as u64
}

/// Judged as `verify` does by its rules V09 and V13.
fn sample(report: &Report) -> TrustMark {
    let counts = report.self_check.iter().filter_map(|row| row.requests_ok);
    let fewest = counts.min().unwrap_or(0);
    if report.blocks < 2 {
        mark(TrustAbout::Sample, false, "one repeat: no verdict")
    } else if report.blocks < MIN_REPEATS {
        let text = format!("only {} repeats, {MIN_REPEATS} are needed", report.blocks);
        mark(TrustAbout::Sample, false, text)
    } else if fewest < MIN_REQUESTS {
        let text = format!("only {fewest} requests in some measurement, {MIN_REQUESTS} are needed");
        mark(TrustAbout::Sample, false, text)
    } else {
        let text = format!(
            "{} repeats on fresh servers, {} requests or more in each measurement",
            report.blocks,
            grouped(fewest)
        );
        mark(TrustAbout::Sample, true, text)
    }
}

/// Requests that failed and whose, and backends that gave nothing.
fn requests(report: &Report) -> TrustMark {
    let measured = report.measured();
    let mut found: Vec<String> = Vec::new();
    for backend in &report.backends {
        let label = backend.label.as_str();
        let rows = report.rows.iter().filter(|row| row.backend == label);
        let (ok, failed) = rows.fold((0, 0), |(ok, failed), row| {
            (ok + row.counts.ok, failed + row.counts.failed)
        });
        if !measured.contains(&label) {
            found.push(format!("{label} gave no result"));
        } else if failed > 0 {
            let all = grouped(ok + failed);
            found.push(format!(
                "{label}: {} of {all} requests failed",
                grouped(failed)
            ));
        }
    }
    match found.is_empty() {
        true => mark(TrustAbout::Requests, true, "no request failed"),
        false => mark(TrustAbout::Requests, false, found.join("; ")),
    }
}

fn origin(report: &Report) -> TrustMark {
    if report.simulated {
        mark(TrustAbout::Origin, false, "simulated, not real")
    } else {
        mark(TrustAbout::Origin, true, "real servers")
    }
}

/// Says of each tile what speaks against its verdict.
pub(crate) fn doubt(report: &mut Report) {
    let differs = differing(report);
    let mut tiles = std::mem::take(&mut report.tiles);
    for tile in &mut tiles {
        tile.doubts = doubts(report, tile, differs.as_ref());
    }
    report.tiles = tiles;
}

fn doubts(report: &Report, tile: &Tile, differs: Option<&String>) -> Vec<String> {
    let compared = &tile.comparison;
    let in_it = |label: &str| {
        let backend = report
            .backends
            .iter()
            .find(|backend| backend.label == label);
        backend.is_some_and(|backend| backend.simulated)
    };
    let labels: Vec<&str> = std::iter::once(compared.best.as_str())
        .chain(compared.second.as_deref())
        .collect();
    let mut found = Vec::new();
    let limited = compared.reason == Some(Reason::ClientWasLimit);
    let broken = report.self_check.iter().any(|row| {
        !row.trustworthy && row.level == compared.level && labels.contains(&row.backend.as_str())
    });
    if broken && !limited {
        found.push("its measurement is untrustworthy".to_owned());
    }
    if compared.second.is_some() && compared.reason != Some(Reason::WorkDiffers) {
        found.extend(differs.cloned());
    }
    let rows = labels
        .iter()
        .filter_map(|label| report.row(label, &compared.level));
    let fewest = rows.map(|row| row.counts.ok).min().unwrap_or(0);
    if fewest < needed() {
        found.push(format!("only {fewest} requests"));
    }
    if labels.into_iter().any(in_it) {
        found.push("simulated".to_owned());
    }
    found
}
