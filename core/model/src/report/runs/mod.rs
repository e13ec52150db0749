//! Several runs side by side: what differs between them, and what became better
//! or worse since the baseline run.

mod baseline;
mod combine;
mod difference;
mod gate;
mod gate_capacity;
mod refusal;

use super::build;
use super::data::Report;
use super::figures::row::{Absence, AbsenceCode, Row};
use super::kv::KvReport;
use super::marks::tiles;
use super::prose;
use super::provenance::environment;
pub use gate::gate_states;

pub use super::runs_data::{
    CAPACITY, Change, ChangeOutcome, ComparedRun, DifferenceAbout, Gate, GateCheck, GateRule,
    GateState, RunDifference, RunsCompared, RunsError,
};
use super::verdict::chunking;
use super::verdict::drift::{self, Drift};
use crate::cell::measured::MeasuredCell;
use crate::config::{Config, Level};
use crate::facts::manifest::Manifest;
use crate::hardware::over_time::Timeline;

/// A run with everything that a report is made of.
#[derive(Debug)]
pub struct MeasuredRun<'d> {
    /// What it is called beside the others.
    pub label: String,
    pub manifest: Manifest,
    pub config: Config,
    pub cells: Vec<MeasuredCell<'d>>,
    /// What is known of its KV caches.
    pub kv: Option<KvReport>,
    /// Its hardware and load over time.
    pub timeline: Option<Timeline>,
}

/// How runs are set side by side.
#[derive(Debug, Clone, Default)]
pub struct RunsOptions {
    /// Place of the baseline run, from 0.
    pub baseline: usize,
    /// Compare runs of different workloads or models too.
    pub force: bool,
    /// What must not become worse; absent if nothing is asked.
    pub gate: Option<GateRule>,
}

fn compared_run(run: &MeasuredRun<'_>) -> ComparedRun {
    ComparedRun {
        label: run.label.clone(),
        name: run.config.name.clone(),
        start_utc: run.manifest.anchors.first().map(|a| a.utc.clone()),
        inferbench_version: run.manifest.inferbench_version.clone(),
        machine: environment::machine_line(&run.manifest),
        blocks: run.config.repeats,
        exit_state: run.manifest.exit_state,
    }
}

impl Report {
    /// The report of several runs side by side: each backend of each run is one
    /// of its backends. Repeats of different runs are not paired.
    ///
    /// # Errors
    /// See [`RunsError`].
    pub fn build_several(
        runs: &[MeasuredRun<'_>],
        options: &RunsOptions,
    ) -> Result<Self, RunsError> {
        let mut report = without_words(runs, options)?;
        prose::write(&mut report);
        Ok(report)
    }
}

/// The report of several runs with every figure, verdict, mark and code.
fn without_words(runs: &[MeasuredRun<'_>], options: &RunsOptions) -> Result<Report, RunsError> {
    let forced = refusal::check(runs, options)?;
    let combined = combine::combine(runs);
    let mut report = build::assemble(&combined.source());
    combine::describe(&mut report, runs);
    report.capacity = combine::capacity(runs, &combined);
    let levels_of_some = leave_out_levels_of_some(&mut report, runs);
    report.drift = None;
    if combine::prompts_differ(runs) {
        report.fairness.agreement.clear();
    }
    let baseline = baseline::Baseline::new(runs, &combined, options.baseline);
    let pairs = baseline.pairs_at_levels(&report, &combined);
    let gate = options.gate.as_ref();
    let held = gate::Compared {
        pairs: &pairs,
        labels: baseline.labels(),
        are_searches: runs.iter().any(|run| {
            let search = run.config.load.search.as_ref();
            search.is_some_and(|search| search.finds_capacity())
        }),
    };
    let compared = RunsCompared {
        runs: runs.iter().map(compared_run).collect(),
        baseline: runs[options.baseline].label.clone(),
        differences: difference::all(runs, options.baseline),
        forced,
        changes: baseline::changes(&report.levels, &pairs),
        levels_of_some,
        other_currencies: combined.other_currencies(),
        gate: gate.map(|rule| gate::decide(rule, &report, &held)),
        drifts: drifts(&report, runs),
    };
    report.runs = Some(compared);
    report.kv = combine::kv(runs, &combined);
    report.timelines = combine::timelines(runs, &combined);
    build::judge(&mut report, &combined.manifest, &combined.cells);
    Ok(report)
}

/// Drops rows of levels that a run does not have, and the verdicts at levels
/// that not every run has, which are returned.
fn leave_out_levels_of_some(report: &mut Report, runs: &[MeasuredRun<'_>]) -> Vec<Level> {
    let has = |level: &Level| {
        let mut levels = runs.iter().map(|run| run.config.load.levels());
        levels.all(|levels| levels.contains(level))
    };
    let of_some = report.levels.iter().filter(|level| !has(level)).copied();
    let of_some: Vec<Level> = of_some.collect();
    let is_left_out = |absence: &Absence| absence.code == AbsenceCode::NoLevel;
    report
        .rows
        .retain(|row| !row.absence.as_ref().is_some_and(is_left_out));
    if !of_some.is_empty() {
        report.comparisons.retain(|c| !of_some.contains(&c.level));
        let mixed = !chunking::mixed_levels(&report.rows, &report.levels).is_empty();
        report.tiles = tiles::choose(&report.comparisons, &report.levels, report.slo, mixed);
    }
    of_some
}

/// The drift of each run, of its own rows.
fn drifts(report: &Report, runs: &[MeasuredRun<'_>]) -> Vec<(String, Drift)> {
    let each = (0..).zip(runs).filter_map(|(place, run)| {
        let own = report.rows.iter().filter(|row| row.run == Some(place));
        let own: Vec<Row> = own.cloned().collect();
        Some((run.label.clone(), drift::find(&own, &report.levels)?))
    });
    each.collect()
}
