//! Whether a search decided by what it measured.

use inferbench_model::config::Config;
use inferbench_model::facts::manifest::CellFacts;
use inferbench_model::facts::searched::next_level;
use inferbench_model::verify::{SEARCHED, Verification};

use crate::derive::Derived;

/// Makes every decision of a search again.
pub(super) fn check(derived: &Derived, config: &Config, found: &mut Verification) {
    if config.load.search.is_none() {
        return;
    }
    let cells = judged(derived, found);
    let stages = derived.manifest.plan.stages.iter();
    for stage in stages {
        let is_own =
            |cell: &&CellFacts| cell.key.backend == stage.backend && cell.key.block == stage.block;
        let own: Vec<&CellFacts> = cells.iter().filter(is_own).collect();
        let is_earlier = |cell: &&CellFacts| cell.key.block < stage.block;
        let mut known: Vec<CellFacts> = cells.iter().filter(is_earlier).cloned().collect();
        for cell in own.into_iter().filter(|cell| cell.complete) {
            let next = next_level(config, &known, stage).map(|planned| planned.level);
            if next != Some(cell.key.level) {
                let instead = next.map_or_else(|| "its end".to_owned(), |level| level.to_string());
                let words = format!("what was measured before it calls for {instead}");
                found.find(SEARCHED, &cell.key, words);
            }
            known.push(cell.clone());
        }
    }
}

/// The cells of the manifest with what their records say of the promise.
fn judged(derived: &Derived, found: &mut Verification) -> Vec<CellFacts> {
    let rows = &derived.cells.cells;
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
        CellFacts {
            promise_held: kept,
            ..facts.clone()
        }
    });
    cells.collect()
}
