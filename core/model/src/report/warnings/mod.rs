//! What a reader must know before trusting the figures, most severe first and
//! each once: codes and numbers, no words.

mod backends;
mod merged;
mod requests;
mod several_runs;

use super::data::Report;
use super::fairness::{FairnessRow, FairnessState};
use super::figures::row::{Row, Series};
use super::verdict::chunking;
use crate::cell::measured::MeasuredCell;
use crate::facts::manifest::{ExitState, Manifest};
use crate::facts::warning::{Warning, WarningCode, WarningKind};
use backends::{of_caches, of_counters, of_kv, of_starts, of_what_was_asked};
use merged::merged;
use requests::{of_replicas, of_requests};
use several_runs::of_runs;

pub(super) fn collect(
    report: &Report,
    manifest: &Manifest,
    cells: &[MeasuredCell<'_>],
) -> Vec<Warning> {
    let mut found = of_run(report, manifest);
    found.extend(report.runs.iter().flat_map(of_runs));
    found.extend(of_starts(report));
    found.extend(of_what_was_asked(report, manifest));
    found.extend(of_fairness(report));
    found.extend(of_caches(report));
    found.extend(merged(of_trends(report), report));
    found.extend(of_requests(report));
    found.extend(merged(of_replicas(report), report));
    found.extend(of_cells(report, cells));
    let drift = report.drift.as_ref().and_then(|drift| drift.warning(None));
    found.extend(drift.map(Warning::about_run));
    found.extend(of_events(report));
    found.extend(of_kv(report));
    found.extend(of_counters(report));
    found.sort_by_key(|warning| warning.severity);
    found
}

fn of_run(report: &Report, manifest: &Manifest) -> Vec<Warning> {
    let mut found = Vec::new();
    let ended = match report.exit_state {
        // Said of each run.
        _ if report.runs.is_some() => None,
        ExitState::Interrupted => Some(WarningKind::RunInterrupted),
        ExitState::Running => Some(WarningKind::RunNotEnded),
        ExitState::Done | ExitState::Incomplete => None,
    };
    found.extend(ended.map(Warning::about_run));
    for warning in &manifest.warnings {
        if !found.contains(warning) {
            found.push(warning.clone());
        }
    }
    if report.blocks == 1 && report.backends.len() > 1 {
        found.push(Warning::about_run(WarningKind::OneRepeat));
    }
    found
}

fn of_fairness(report: &Report) -> Vec<Warning> {
    let rows = &report.fairness.rows;
    let mut found: Vec<WarningKind> = Vec::new();
    if report.measured().len() > 1 {
        let breaking = rows.iter().filter(|row| row.breaks());
        found.extend(breaking.map(|row| WarningKind::ConditionDiffers {
            condition: code_of(row),
            heading: row.what.clone(),
            by_backend: row.line(),
        }));
        let unknown = rows
            .iter()
            .filter(|row| row.state == FairnessState::Unknown);
        let counts = unknown.filter(|row| row.condition.counts_work());
        found.extend(counts.map(|row| WarningKind::ConditionUnknown {
            condition: code_of(row),
            heading: row.what.clone(),
            by_backend: row.line(),
        }));
    }
    found.extend(report.fairness.early_partings());
    found.into_iter().map(Warning::about_run).collect()
}

/// The condition as it stands in files.
fn code_of(row: &FairnessRow) -> String {
    let code = serde_json::to_value(row.condition).unwrap_or_default();
    code.as_str().unwrap_or_default().to_owned()
}

fn of_trends(report: &Report) -> impl Iterator<Item = Warning> {
    let about = |row: &Row, kind| Warning::about(&row.backend, kind).at(vec![row.level]);
    report.rows.iter().flat_map(move |row| {
        let sure = row.unsteady.iter().map(|u| WarningKind::NotSteady {
            series: name_of(u.series).to_owned(),
            change: u.change,
            repeats: u.repeats as u64,
            of_repeats: u.of as u64,
        });
        let open = row
            .maybe_unsteady
            .iter()
            .map(|u| WarningKind::MayNotBeSteady {
                series: name_of(u.series).to_owned(),
                change: u.change,
                repeats: u.repeats as u64,
                of_repeats: u.of as u64,
            });
        sure.chain(open).map(move |kind| about(row, kind))
    })
}

fn name_of(series: Series) -> &'static str {
    match series {
        Series::OutputTokens => "output_tokens",
        Series::TtftMs => "ttft_ms",
        Series::TpotMs => "tpot_ms",
    }
}

/// Without those of requests, which are counted over all cells.
fn of_cells(report: &Report, cells: &[MeasuredCell<'_>]) -> Vec<Warning> {
    let counted = [WarningCode::RequestsFailed, WarningCode::RequestsResent];
    let each = cells.iter().flat_map(|MeasuredCell { row, .. }| {
        let kinds = row.warnings.iter();
        let others = kinds.filter(|kind| !counted.contains(&kind.code()));
        others.map(|kind| Warning::about(&row.backend, kind.clone()).at(vec![row.level]))
    });
    merged(each, report)
}

fn of_events(report: &Report) -> Vec<Warning> {
    let levels = chunking::mixed_levels(&report.rows, &report.levels);
    if !levels.is_empty() {
        let labels = report.backends.iter().map(|backend| &backend.label);
        let tokens_per_event = chunking::most_tokens_per_event(&report.rows, &levels, labels);
        let kind = WarningKind::EventsDiffer { tokens_per_event };
        let mut found = vec![Warning::about_run(kind).at(levels)];
        found.extend(of_estimates(report));
        return found;
    }
    let several = report.backends.iter().filter_map(|backend| {
        let tokens_per_event = chunking::several(&report.rows, &backend.label)?;
        let kind = WarningKind::SeveralTokensPerEvent { tokens_per_event };
        Some(Warning::about(&backend.label, kind))
    });
    several.collect()
}

/// Backends whose decode time per token is an estimate.
fn of_estimates(report: &Report) -> impl Iterator<Item = Warning> {
    let estimated = |label: &str| {
        let own = report.rows.iter().filter(|row| row.backend == label);
        own.flat_map(|row| row.figures.values())
            .any(|figure| figure.estimated)
    };
    let labels = report.backends.iter().map(|backend| backend.label.as_str());
    labels
        .filter(move |label| estimated(label))
        .map(|label| Warning::about(label, WarningKind::DecodeEstimated))
}
