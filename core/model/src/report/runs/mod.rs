//! Several runs side by side: what differs between them, and what became better
//! or worse since the one that all are held against.

mod baseline;
mod combine;
mod difference;
mod gate;
mod gate_words;
mod refusal;
mod words;

pub use baseline::{Change, ChangeOutcome};
pub use difference::{DifferenceAbout, RunDifference};
pub use gate::{Gate, GateCheck, GateRule, GateState};
pub use refusal::RunsError;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use super::kv::KvReport;
use super::prose::tiles;
use super::prose::warnings::Warning;
use super::provenance::environment;
use super::verdict::{chunking, drift};
use crate::cell::fold::CellDigest;
use crate::cell::row::CellRow;
use crate::config::{Config, Level};
use crate::facts::manifest::{ExitState, Manifest};

/// A run with everything that a report is made of.
#[derive(Debug)]
pub struct MeasuredRun {
    /// What it is called beside the others.
    pub label: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its config.
    pub config: Config,
    /// Its cells.
    pub cells: Vec<CellRow>,
    /// What was kept of the records of each cell, in the order of `cells`.
    pub digests: Vec<CellDigest>,
    /// What is known of its KV caches.
    pub kv: Option<KvReport>,
}

/// How runs are set side by side.
#[derive(Debug, Clone, Default)]
pub struct RunsOptions {
    /// Place of the run that the others are held against, from 0.
    pub baseline: usize,
    /// Compare runs of different workloads or models too.
    pub force: bool,
    /// What must not become worse; absent if nothing is asked.
    pub gate: Option<GateRule>,
}

/// What a report of several runs says of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunsCompared {
    /// The runs, in the order in which they were named.
    pub runs: Vec<ComparedRun>,
    /// Label of the run that the others are held against.
    pub baseline: String,
    /// What is not the same in all runs, most important first.
    pub differences: Vec<RunDifference>,
    /// Why the runs should not be compared, where that was forced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// Every backend against the same backend of the baseline.
    pub changes: Vec<Change>,
    /// Levels that not every run has, which no verdict over all runs takes in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels_of_some: Vec<Level>,
    /// What must not become worse, and whether it did; absent if nothing was
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What was found of single runs.
    #[serde(skip)]
    warnings: Vec<Warning>,
}

/// One of several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// What it is called beside the others.
    pub label: String,
    /// Its name in its config.
    pub name: String,
    /// Its start in UTC, RFC 3339.
    pub start_utc: Option<String>,
    /// Version of InferBench that made it.
    pub inferbench_version: String,
    /// Its machine in one line.
    pub machine: String,
    /// Repeats that its config asks for.
    pub blocks: u32,
    /// How it ended.
    pub exit_state: ExitState,
}

impl ComparedRun {
    fn of(run: &MeasuredRun) -> Self {
        Self {
            label: run.label.clone(),
            name: run.config.name.clone(),
            start_utc: run.manifest.anchors.first().map(|a| a.utc.clone()),
            inferbench_version: run.manifest.inferbench_version.clone(),
            machine: environment::machine_line(&run.manifest),
            blocks: run.config.repeats,
            exit_state: run.manifest.exit_state,
        }
    }
}

impl Report {
    /// The report of several runs side by side: each backend of each run is one
    /// of its backends. Repeats of different runs are not paired.
    ///
    /// # Errors
    /// See [`RunsError`].
    pub fn build_several(runs: &[MeasuredRun], options: &RunsOptions) -> Result<Self, RunsError> {
        let forced = refusal::check(runs, options)?;
        let combined = combine::combine(runs);
        let digest_of = |cell: &CellRow| combined.digest_of(cell);
        let source = combined.source();
        let mut report = Self::assemble(&source, &digest_of);
        combine::describe(&mut report, runs);
        let levels_of_some = report.leave_out_levels_of_some(runs);
        let warnings = drift::of_each_run(&report.rows, &report.levels, runs);
        report.drift = None;
        if combine::prompts_differ(runs) {
            report.fairness.agreement.clear();
        }
        let baseline = baseline::Baseline::new(runs, &combined, options.baseline);
        let changes = baseline.changes(&report, &combined, &digest_of);
        let gate = options.gate.as_ref();
        report.runs = Some(RunsCompared {
            runs: runs.iter().map(ComparedRun::of).collect(),
            baseline: runs[options.baseline].label.clone(),
            differences: difference::all(runs, options.baseline),
            forced,
            changes,
            levels_of_some,
            gate: gate.map(|rule| baseline.gate(rule, &report, &combined, &digest_of)),
            warnings,
        });
        report.say_changes();
        report.judge(&combined.manifest, &combined.cells);
        report.take_kv(combine::kv(runs, &combined));
        Ok(report)
    }

    /// Drops rows of levels that a run does not have, and the verdicts at levels
    /// that not every run has, which are returned.
    fn leave_out_levels_of_some(&mut self, runs: &[MeasuredRun]) -> Vec<Level> {
        let has = |level: &Level| {
            let mut levels = runs.iter().map(|run| run.config.load.levels());
            levels.all(|levels| levels.contains(level))
        };
        let of_some = self.levels.iter().filter(|level| !has(level)).copied();
        let of_some: Vec<Level> = of_some.collect();
        let is_there = |absence: &Option<String>| {
            !absence
                .as_deref()
                .is_some_and(|why| why.ends_with(combine::NO_LEVEL))
        };
        self.rows.retain(|row| is_there(&row.absence));
        if !of_some.is_empty() {
            self.comparisons.retain(|c| !of_some.contains(&c.level));
            let mixed = !chunking::mixed_levels(&self.rows, &self.levels).is_empty();
            self.tiles = tiles::build(&self.comparisons, &self.levels, mixed);
        }
        of_some
    }

    /// Says of each tile what became of its metric: a reader of several runs asks
    /// that before who is best.
    fn say_changes(&mut self) {
        if let Some(runs) = &self.runs {
            for tile in &mut self.tiles {
                tile.sentence = runs.of_metric(&tile.comparison.metric);
            }
        }
    }
}
