//! The tuning of a run, as far as its starts and cells show it.

use crate::config::{Config, Objective};
use crate::facts::manifest::{CellFacts, Manifest, StageFacts};
use crate::facts::searched;
use crate::plan::search::Bracket;
use crate::plan::tune::{Found, Race, Start, TuneStep};
use crate::plan::{PlannedLevel, Stage, levels_of};
use crate::text::units::s_between;

/// The starts that have come to their end, in their order.
#[must_use]
pub fn starts(config: &Config, stages: &[StageFacts], cells: &[CellFacts]) -> Vec<Start> {
    let labels: Vec<&str> = config.backends.iter().map(|b| b.label()).collect();
    let ended = stages.iter().filter_map(|facts| {
        let backend = labels.iter().position(|label| *label == facts.backend)?;
        let stage = Stage {
            backend_index: backend,
            backend: facts.backend.clone(),
            block: facts.block,
            levels: Vec::new(),
        };
        let own: Vec<&CellFacts> = complete_cells(cells, &stage).collect();
        let has_failed = facts.failure.is_some();
        let has_ended = has_failed || missing_levels(config, cells, &stage).is_empty();
        (has_ended && !facts.interrupted).then(|| Start {
            backend,
            block: facts.block,
            found: match (has_failed, own.is_empty()) {
                (true, true) => Found::NotStarted,
                // It did not last at a load: no one would serve with it.
                (true, false) => Found::Nothing,
                (false, _) => value(config, &stage, &own).map_or(Found::Nothing, Found::Value),
            },
            seconds: seconds(facts, &own),
        })
    });
    ended.collect()
}

/// What the tuning does next.
#[must_use]
pub fn next(config: &Config, manifest: &Manifest) -> TuneStep {
    let starts = starts(config, &manifest.stages, &manifest.cells);
    Race::new(config, &starts).next(&manifest.plan.stages)
}

/// The stage that the tuning starts next, with the levels that are not measured yet;
/// `None` if it has come to its end. The levels of a search follow from what it measures.
#[must_use]
pub fn next_stage(config: &Config, manifest: &Manifest) -> Option<Stage> {
    let TuneStep::Start(place) = next(config, manifest) else {
        return None;
    };
    let planned = manifest.plan.stages.get(place)?;
    let levels = match config.load.search {
        Some(_) => Vec::new(),
        None => missing_levels(config, &manifest.cells, planned),
    };
    Some(Stage {
        levels,
        ..planned.clone()
    })
}

/// The levels of a start that are not measured yet: of a search the next one.
fn missing_levels(config: &Config, cells: &[CellFacts], stage: &Stage) -> Vec<PlannedLevel> {
    if config.load.search.is_some() {
        return searched::next_level(config, cells, stage)
            .into_iter()
            .collect();
    }
    let is_missing = |planned: &PlannedLevel| {
        !complete_cells(cells, stage).any(|c| c.key.level == planned.level)
    };
    let mut levels = levels_of(config, stage.backend_index);
    levels.retain(is_missing);
    levels
}

fn complete_cells<'c>(
    cells: &'c [CellFacts],
    stage: &'c Stage,
) -> impl Iterator<Item = &'c CellFacts> {
    cells.iter().filter(|cell| {
        cell.complete && cell.key.backend == stage.backend && cell.key.block == stage.block
    })
}

/// The value of the objective: of the best level that keeps the promise, or the middle of
/// the edge that a search has found.
fn value(config: &Config, stage: &Stage, own: &[&CellFacts]) -> Option<f64> {
    let objective = config.tune.as_ref()?.objective;
    if objective == Objective::Capacity {
        let cells: Vec<CellFacts> = own.iter().map(|cell| (*cell).clone()).collect();
        let trials = searched::trials(config, &cells, &stage.backend, stage.block);
        let Bracket { holds, breaks } = Bracket::from_trials(&trials);
        return holds.map(|holds| (holds * breaks.unwrap_or(holds)).sqrt());
    }
    let kept = own.iter().filter(|cell| cell.promise_held != Some(false));
    let values = kept.filter_map(|cell| cell.objective);
    values.filter(|value| *value > 0.0).max_by(f64::total_cmp)
}

/// From the beginning of its start to its end.
fn seconds(facts: &StageFacts, own: &[&CellFacts]) -> f64 {
    let last_ns = own.iter().map(|cell| cell.end_ns).max();
    let end_ns = facts.stop_ns.or(last_ns);
    let span = facts.start_ns.zip(end_ns);
    span.map_or(0.0, |(start_ns, end_ns)| s_between(start_ns, end_ns))
}
