//! What a reader must know before trusting the figures, most severe first and
//! each once: codes and numbers, no words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::data::Report;
use super::fairness::{FairnessRow, FairnessState};
use super::figures::replicas::ReplicaRow;
use super::figures::row::{Row, Series};
use super::kv::KvUse;
use super::runs_data::{ComparedRun, DifferenceAbout, RunsCompared};
use super::verdict::chunking;
use crate::cell::measured::MeasuredCell;
use crate::config::{Config, Level};
use crate::facts::key::Counts;
use crate::facts::manifest::{ExitState, Manifest};
use crate::facts::warning::{Warning, WarningCode, WarningKind};
use crate::plan::asked;

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

/// Warnings about several runs side by side.
fn of_runs(runs: &RunsCompared) -> Vec<Warning> {
    let mut found: Vec<WarningKind> = Vec::new();
    let forced = runs.forced.iter().cloned();
    found.extend(forced.map(|what| WarningKind::OtherWork { what }));
    found.extend(runs.runs.iter().filter_map(ended_badly));
    let drifts = runs.drifts.iter();
    found.extend(drifts.filter_map(|(run, drift)| drift.warning(Some(run))));
    found.extend(levels_left_out(runs));
    let hardware = runs.differences.iter();
    let hardware = hardware.filter(|difference| difference.about == DifferenceAbout::Hardware);
    let what: Vec<String> = hardware.map(|difference| difference.what.clone()).collect();
    if !what.is_empty() {
        found.push(WarningKind::MachinesDiffer { what });
    }
    if runs.differences.iter().any(|d| d.what.starts_with("slo.")) {
        let baseline = runs.baseline.clone();
        found.push(WarningKind::SloDiffers { baseline });
    }
    if !runs.other_currencies.is_empty() {
        let currencies = runs.other_currencies.clone();
        found.push(WarningKind::CurrenciesDiffer { currencies });
    }
    found.push(WarningKind::RepeatsNotPaired);
    found.into_iter().map(Warning::about_run).collect()
}

fn levels_left_out(runs: &RunsCompared) -> Option<WarningKind> {
    let named = runs.levels_of_some.iter().enumerate();
    let what = named.map(|(at, level)| match level {
        Level::Concurrency(_) if at > 0 => level.value_text(),
        _ => level.to_string(),
    });
    let what: Vec<String> = what.collect();
    (!what.is_empty()).then_some(WarningKind::LevelsOfSomeRuns { what })
}

fn ended_badly(run: &ComparedRun) -> Option<WarningKind> {
    let label = run.label.clone();
    match run.exit_state {
        ExitState::Interrupted => Some(WarningKind::ComparedRunInterrupted { run: label }),
        ExitState::Running => Some(WarningKind::ComparedRunNotEnded { run: label }),
        ExitState::Done | ExitState::Incomplete => None,
    }
}

fn of_starts(report: &Report) -> Vec<Warning> {
    let mut found: Vec<Warning> = Vec::new();
    for backend in &report.backends {
        for failure in &backend.failures {
            let known = failure.known_cause.as_ref();
            let kind = WarningKind::BackendFailed {
                cause: failure.cause.clone(),
                known_cause: known.map(|known| known.name.clone()),
            };
            let warning = Warning::about(&backend.label, kind);
            if !found.contains(&warning) {
                found.push(warning);
            }
        }
    }
    found
}

/// What backends were asked for that they cannot do, or that says little.
fn of_what_was_asked(report: &Report, manifest: &Manifest) -> Vec<Warning> {
    // A report of several runs has none of their configs.
    let Ok(config) = serde_json::from_value::<Config>(manifest.config.clone()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for backend in &report.backends {
        let mut add = |kind| found.push(Warning::about(&backend.label, kind));
        let entry = config.backends.iter().find(|b| b.label() == backend.label);
        let most = entry.and_then(|entry| entry.max_concurrency);
        let levels = asked::levels_with_several(&config.load, most);
        if backend.one_request_at_a_time && levels > 0 {
            add(WarningKind::OneRequestAtATime { levels });
        }
        let command = backend.command.as_deref().unwrap_or_default();
        let accepted_ratio = backend.draft_acceptance_ratio;
        let speculates = asked::is_speculative(command) || accepted_ratio.is_some();
        if speculates && asked::is_hard_to_guess(&config) {
            add(WarningKind::SpeculationOnRandomPrompts);
        }
        if let Some(accepted_ratio) = accepted_ratio {
            add(WarningKind::SpeculationAcceptance { accepted_ratio });
        }
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

/// About a backend that is measured alone; of several, fairness says it.
fn of_caches(report: &Report) -> Vec<Warning> {
    if report.measured().len() > 1 {
        return Vec::new();
    }
    let cached = report.backends.iter().filter_map(|backend| {
        let audit = backend
            .cache_audit
            .as_ref()
            .filter(|audit| audit.is_cached())?;
        let kind = WarningKind::AnswersCached {
            ratio: audit.ratio,
            low: audit.low,
            high: audit.high,
            prefix_cache: audit.prefix_cache,
        };
        Some(Warning::about(&backend.label, kind))
    });
    cached.collect()
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

/// How many requests of each backend failed, and were sent again, over all its
/// levels and repeats.
fn of_requests(report: &Report) -> impl Iterator<Item = Warning> {
    report.backends.iter().flat_map(|backend| {
        let own = || {
            let rows = report.rows.iter();
            rows.filter(|row| row.backend == backend.label)
        };
        let mut counts = Counts::default();
        own().for_each(|row| counts.add(&row.counts));
        let levels = |has: fn(&Counts) -> bool| {
            let found = own().filter(|row| has(&row.counts));
            found.map(|row| row.level).collect::<Vec<Level>>()
        };
        let failed = levels(|counts| counts.failed > 0);
        let resent = levels(|counts| counts.resent > 0);
        let found = [
            (counts.warning(), failed),
            (counts.resent_warning(), resent),
        ];
        found
            .into_iter()
            .filter_map(|(kind, levels)| Some(Warning::about(&backend.label, kind?).at(levels)))
    })
}

/// A replica is named where this share of its requests failed, and more than so many times
/// the share of the others.
const FAILS_FROM_SHARE: f64 = 0.01;
const FAILS_MORE_TIMES: f64 = 2.0;

/// Replicas that fail more than the others of their backend.
fn of_replicas(report: &Report) -> impl Iterator<Item = Warning> {
    report.replicas.iter().filter_map(|row| {
        let is_other = |other: &&ReplicaRow| {
            other.backend == row.backend && other.level == row.level && other.replica != row.replica
        };
        let mut others = Counts::default();
        let rows = report.replicas.iter().filter(is_other);
        rows.for_each(|other| others.add(&other.counts));
        let failed_share = |counts: &Counts| {
            let requests = counts.ok + counts.failed;
            (requests > 0).then(|| counts.failed as f64 / requests as f64)
        };
        let (own, theirs) = (failed_share(&row.counts)?, failed_share(&others)?);
        if own < FAILS_FROM_SHARE || own <= FAILS_MORE_TIMES * theirs {
            return None;
        }
        let kind = WarningKind::ReplicaFails {
            replica: row.url.clone().unwrap_or_else(|| row.replica.to_string()),
            failed: row.counts.failed,
            requests: row.counts.ok + row.counts.failed,
        };
        Some(Warning::about(&row.backend, kind).at(vec![row.level]))
    })
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

/// Where a server's counters went back.
fn of_counters(report: &Report) -> Vec<Warning> {
    let usage: Vec<&KvUse> = report.kv.iter().flat_map(|kv| &kv.usage).collect();
    let each = report.backends.iter().filter_map(|backend| {
        let own = usage
            .iter()
            .filter(|usage| usage.backend == backend.label && !usage.counters_went_back.is_empty());
        let levels: Vec<Level> = own.clone().map(|usage| usage.level).collect();
        let counters: BTreeSet<String> = own
            .flat_map(|usage| usage.counters_went_back.clone())
            .collect();
        let kind = WarningKind::CountersWentBack {
            counters: counters.into_iter().collect(),
        };
        (!levels.is_empty()).then(|| Warning::about(&backend.label, kind).at(levels))
    });
    each.collect()
}

/// Where the KV cache was the limit.
fn of_kv(report: &Report) -> Vec<Warning> {
    let mut by_backend: BTreeMap<usize, (Vec<Level>, f64, f64)> = BTreeMap::new();
    let usage = report.kv.iter().flat_map(|kv| &kv.usage);
    let mut order: Vec<&str> = Vec::new();
    for usage in usage.filter(|usage| usage.is_pressed()) {
        if !order.contains(&usage.backend.as_str()) {
            order.push(&usage.backend);
        }
        let place = order.iter().position(|label| *label == usage.backend);
        let known = by_backend.entry(place.unwrap_or_default()).or_default();
        known.0.push(usage.level);
        known.1 = known.1.max(usage.peak_usage_ratio.unwrap_or(0.0));
        known.2 += usage.preemptions.unwrap_or(0.0);
    }
    let each = by_backend
        .into_iter()
        .map(|(place, (levels, peak, preempted))| {
            let kind = WarningKind::KvCacheFull {
                peak_usage_ratio: (peak > 0.0).then_some(peak),
                preemptions: (preempted > 0.0).then_some(preempted),
            };
            Warning::about(order[place], kind).at(levels)
        });
    each.collect()
}

/// Warnings of one kind are one warning, with the numbers of the worst: those of
/// one backend, and those of all where more than two backends have it.
fn merged(each: impl Iterator<Item = Warning>, report: &Report) -> Vec<Warning> {
    let mut found = joined(each);
    let kinds: Vec<Value> = found.iter().map(|w| without_numbers(&w.kind)).collect();
    for (warning, kind) in found.iter_mut().zip(&kinds) {
        let same = kinds.iter().filter(|other| *other == kind);
        if report.backends.len() > 2 && same.count() == report.backends.len() {
            warning.backend = None;
        }
    }
    let mut found = joined(found.into_iter());
    let place = |level: &Level| report.levels.iter().position(|other| other == level);
    for warning in &mut found {
        warning.levels.sort_by_key(place);
    }
    found
}

/// Joins those of the same kind and the same backend.
fn joined(each: impl Iterator<Item = Warning>) -> Vec<Warning> {
    let mut found: Vec<(Value, Warning)> = Vec::new();
    for warning in each {
        let kind = without_numbers(&warning.kind);
        let is_same = |(known, other): &&mut (Value, Warning)| {
            *known == kind && other.backend == warning.backend
        };
        match found.iter_mut().find(is_same) {
            Some((_, known)) => {
                known.more += warning.more + 1;
                if warning.kind.extent() > known.kind.extent() {
                    known.kind = warning.kind;
                }
                for level in warning.levels {
                    if !known.levels.contains(&level) {
                        known.levels.push(level);
                    }
                }
            }
            None => found.push((kind, warning)),
        }
    }
    found.into_iter().map(|(_, warning)| warning).collect()
}

/// What two warnings share that differ in their numbers only.
fn without_numbers(kind: &WarningKind) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Number(_) => *value = Value::Null,
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(values) => values.values_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::to_value(kind).unwrap_or_default();
    strip(&mut value);
    value
}
