//! Whether a search and a tuning decided by what they measured.

use inferbench_model::config::Config;
use inferbench_model::facts::manifest::{CellFacts, ExitState, Manifest, StageFacts};
use inferbench_model::facts::searched::next_level;
use inferbench_model::facts::tuned;
use inferbench_model::plan::Stage;
use inferbench_model::verify::{SEARCHED, Verification};

use crate::derive::Derived;

/// Share by which an objective may differ from that of the records: numbers lose their
/// last digit on their way through text.
const SAME: f64 = 1e-6;

/// Makes every decision of a search and of a tuning again.
pub(super) fn check(derived: &Derived, config: &Config, found: &mut Verification) {
    if config.load.search.is_none() && config.tune.is_none() {
        return;
    }
    let cells = judged(derived, config, found);
    if config.load.search.is_some() {
        check_levels(&derived.manifest, config, &cells, found);
    }
    if config.tune.is_some() {
        check_starts(&derived.manifest, config, &cells, found);
    }
    if derived.manifest.exit_state == ExitState::Done {
        check_end(&derived.manifest, config, cells, found);
    }
}

/// A run that says it is done has measured all that its figures call for.
fn check_end(
    manifest: &Manifest,
    config: &Config,
    cells: Vec<CellFacts>,
    found: &mut Verification,
) {
    let mut open = |stage: &Stage, what: &str| {
        let start = start_of(&stage.backend, stage.block);
        let words = format!("the run says that it is done, and what was measured calls for {what}");
        found.find(SEARCHED, start, words);
    };
    if config.tune.is_some() {
        let measured = Manifest {
            cells,
            ..manifest.clone()
        };
        if let Some(next) = tuned::next_stage(config, &measured) {
            open(&next, "this start");
        }
        return;
    }
    for stage in &manifest.plan.stages {
        if let Some(next) = next_level(config, &cells, stage) {
            open(stage, &next.level.to_string());
        }
    }
}

fn start_of(backend: &str, block: u32) -> String {
    format!("{backend}, repeat {}", u64::from(block) + 1)
}

/// Every load that a search measured follows from the cells before it.
fn check_levels(
    manifest: &Manifest,
    config: &Config,
    cells: &[CellFacts],
    found: &mut Verification,
) {
    for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.complete) {
        let is_own =
            |stage: &&Stage| stage.backend == cell.key.backend && stage.block == cell.key.block;
        let Some(stage) = manifest.plan.stages.iter().find(is_own) else {
            continue;
        };
        let next = next_level(config, &cells[..place], stage).map(|planned| planned.level);
        if next != Some(cell.key.level) {
            let instead = next.map_or_else(|| "its end".to_owned(), |level| level.to_string());
            let words = format!("what was measured before it calls for {instead}");
            found.find(SEARCHED, &cell.key, words);
        }
    }
}

/// Every start of a tuning follows from the starts before it.
fn check_starts(
    manifest: &Manifest,
    config: &Config,
    cells: &[CellFacts],
    found: &mut Verification,
) {
    let is_of = |cell: &CellFacts, stage: &StageFacts| {
        cell.key.backend == stage.backend && cell.key.block == stage.block
    };
    for (place, stage) in manifest.stages.iter().enumerate() {
        let before = &manifest.stages[..place];
        let is_known = |cell: &&CellFacts| before.iter().any(|stage| is_of(cell, stage));
        let known = Manifest {
            stages: before.to_vec(),
            cells: cells.iter().filter(is_known).cloned().collect(),
            ..manifest.clone()
        };
        let next = tuned::next_stage(config, &known);
        let next = next.map(|next| (next.backend, next.block));
        if next.as_ref() != Some(&(stage.backend.clone(), stage.block)) {
            let instead = next.map_or_else(
                || "its end".to_owned(),
                |(backend, block)| format!("a start of {}", start_of(&backend, block)),
            );
            let words = format!("what was measured before it calls for {instead}");
            found.find(SEARCHED, start_of(&stage.backend, stage.block), words);
        }
    }
}

/// The cells of the manifest with what their records say of the promise, and with the
/// objective that the manifest gives, if it is that of the records.
fn judged(derived: &Derived, config: &Config, found: &mut Verification) -> Vec<CellFacts> {
    let rows = &derived.cells.cells;
    let objective = config.objective_of_cells();
    let cells = derived.manifest.cells.iter().map(|facts| {
        let key = &facts.key;
        let row = rows.iter().find(|row| {
            row.backend == key.backend && row.block == key.block && row.level == key.level
        });
        let kept = row
            .and_then(|row| row.promise.as_ref())
            .map(|kept| kept.holds);
        if facts.complete && kept != facts.promise_held {
            let words = "run.json says another thing of its promise than its records";
            found.find(SEARCHED, key, words);
        }
        let value = objective.and_then(|objective| row?.objective(objective));
        if facts.complete && !is_same(facts.objective, value) {
            let words = "run.json has another value of the objective than its records give";
            found.find(SEARCHED, key, words);
        }
        CellFacts {
            promise_held: kept,
            ..facts.clone()
        }
    });
    cells.collect()
}

fn is_same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME * b.abs(),
        (a, b) => a.is_none() && b.is_none(),
    }
}
