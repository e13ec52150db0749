//! The search of a run, as far as its cells show it.

use crate::config::Config;
use crate::facts::manifest::CellFacts;
use crate::plan::search::{self, Bracket, Step, Trial};
use crate::plan::{PlannedLevel, Stage};
use crate::text::units::s_between;

/// What one start of a backend has tried, in its order.
#[must_use]
pub fn trials(config: &Config, cells: &[CellFacts], backend: &str, block: u32) -> Vec<Trial> {
    let Some(search) = &config.load.search else {
        return Vec::new();
    };
    let own = cells
        .iter()
        .filter(|cell| cell.key.backend == backend && cell.key.block == block && cell.complete);
    let trials = own.filter_map(|cell| {
        Some(Trial {
            load: search.load(cell.key.level)?,
            holds: cell.promise_held?,
            seconds: s_between(cell.start_ns, cell.end_ns),
        })
    });
    trials.collect()
}

/// What the search of a start does next, after these cells; `None` if the run has no
/// search.
#[must_use]
pub fn next(config: &Config, cells: &[CellFacts], stage: &Stage) -> Option<Step> {
    let mut search = config.load.search.clone()?;
    let backend = config.backends.get(stage.backend_index)?;
    if let Some(most) = backend.max_concurrency.filter(|_| config.load.is_closed()) {
        search.to = search.to.min(f64::from(most));
    }
    let earlier = |block: u32| trials(config, cells, &stage.backend, block);
    let all: Vec<Vec<Trial>> = (0..stage.block).map(earlier).collect();
    let spent_s = all.iter().flatten().map(|trial| trial.seconds).sum();
    let before = all.iter().rev().find(|trials| !trials.is_empty());
    let before = before.map(|trials| Bracket::from_trials(trials));
    let own = earlier(stage.block);
    let of_repeats = (stage.block, config.repeats);
    Some(search::next(&search, before, &own, (spent_s, of_repeats)))
}

/// The level that a search measures next; `None` if it has come to its end.
#[must_use]
pub fn next_level(config: &Config, cells: &[CellFacts], stage: &Stage) -> Option<PlannedLevel> {
    let Step::Measure(load) = next(config, cells, stage)? else {
        return None;
    };
    let level = config.load.search.as_ref()?.level(load);
    let index = config.load.level_index(level)?;
    Some(PlannedLevel { index, level })
}
