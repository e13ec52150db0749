//! The search of a run, as far as its cells show it.

use crate::config::{Config, Requests, SearchConfig};
use crate::facts::manifest::CellFacts;
use crate::plan::bend::{self, CurvePoint};
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
    if !search.finds_capacity() {
        return Some(next_of_curve(config, cells, stage, search));
    }
    let earlier = |block: u32| trials(config, cells, &stage.backend, block);
    let all: Vec<Vec<Trial>> = (0..stage.block).map(earlier).collect();
    let spent_s = all.iter().flatten().map(|trial| trial.seconds).sum();
    let before = all.iter().rev().find(|trials| !trials.is_empty());
    let before = before.map(|trials| Bracket::from_trials(trials));
    let before = before.or_else(|| of_another_point(config, cells, stage));
    let own = earlier(stage.block);
    let of_repeats = (stage.block, config.blocks());
    Some(search::next(&search, before, &own, (spent_s, of_repeats)))
}

/// What a search for the bend measures next: in a later repeat the loads of the first.
fn next_of_curve(
    config: &Config,
    cells: &[CellFacts],
    stage: &Stage,
    mut search: SearchConfig,
) -> Step {
    // More slots than half of the requests would never all be busy.
    if let (Some(Requests::Fixed(requests)), true) = (config.load.requests, config.load.is_closed())
    {
        search.to = search.to.min((requests / 2).max(1) as f64);
    }
    let of_block = |block: u32| {
        let own = cells.iter().filter(|cell| {
            cell.key.backend == stage.backend && cell.key.block == block && cell.complete
        });
        let points = own.filter_map(|cell| {
            Some(CurvePoint {
                load: search.load(cell.key.level)?,
                throughput: cell.objective,
            })
        });
        points.collect::<Vec<_>>()
    };
    let before = (0..stage.block)
        .map(of_block)
        .find(|points| !points.is_empty());
    let before = before.map(|points| points.iter().map(|point| point.load).collect::<Vec<_>>());
    bend::next(&search, before.as_deref(), &of_block(stage.block))
}

/// What the start before this one has found, where it was of another point of the same
/// sweep: an edge near which to look first.
fn of_another_point(config: &Config, cells: &[CellFacts], stage: &Stage) -> Option<Bracket> {
    let entrants = config.entrants().into_iter();
    let mut own = entrants.filter(|own| own.points.contains(&stage.backend_index));
    let points = own.next()?.points;
    let is_other = |cell: &&CellFacts| {
        let label = &cell.key.backend;
        let mut others = points.iter().map(|point| config.backends[*point].label());
        *label != stage.backend && others.any(|other| other == label)
    };
    // Up to where this start began to be measured itself.
    let is_own =
        |cell: &CellFacts| cell.key.backend == stage.backend && cell.key.block == stage.block;
    let began = cells.iter().position(is_own).unwrap_or(cells.len());
    let last = cells[..began].iter().rfind(is_other)?;
    let trials = trials(config, cells, &last.key.backend, last.key.block);
    Some(Bracket::from_trials(&trials))
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
