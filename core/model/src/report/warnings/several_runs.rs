//! Of several runs side by side.

use crate::config::Level;
use crate::facts::manifest::ExitState;
use crate::facts::warning::{Warning, WarningKind};
use crate::report::runs_data::{ComparedRun, DifferenceAbout, RunsCompared};

/// Warnings about several runs side by side.
pub(super) fn of_runs(runs: &RunsCompared) -> Vec<Warning> {
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
