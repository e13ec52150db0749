//! The largest load that each backend bears, as a search has found it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::measured::MeasuredCell;
use crate::cell::promise::Broken;
use crate::config::{Config, Level, SearchConfig, SearchOver};
use crate::facts::manifest::Manifest;
use crate::facts::searched;
use crate::plan::search::{Bracket, Step, Trial};

/// The largest load that a backend bears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Label of the backend.
    pub backend: String,
    /// What the load is.
    pub over: SearchOver,
    /// The largest load up to which the promise held in every repeat; null if it broke at
    /// the smallest that was tried in one of them.
    pub low: Option<f64>,
    /// The smallest load from which on it broke in every repeat; null if it held at the
    /// largest that was tried in one of them.
    pub high: Option<f64>,
    /// What did not hold at `high`.
    pub limited_by: Vec<Broken>,
    /// What each repeat has found, in order.
    pub repeats: Vec<RepeatCapacity>,
    /// Every load that was measured, in order.
    pub levels: Vec<CapacityLevel>,
    /// All this in words.
    #[serde(default)]
    pub text: String,
}

/// What the search of one repeat has found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RepeatCapacity {
    /// Repeat, from 0.
    pub block: u32,
    /// The largest load that held below every one that broke.
    pub holds: Option<f64>,
    /// The smallest load that broke.
    pub breaks: Option<f64>,
    /// How it ended.
    pub end: SearchEnd,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// It has closed in, or came to an end of its range.
    Closed,
    /// Its budget was spent.
    OutOfTime,
    /// It was cut off.
    CutOff,
}

/// A load that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityLevel {
    /// Repeat, from 0.
    pub block: u32,
    /// The load.
    pub level: Level,
    /// The promise held.
    pub holds: bool,
    /// What did not.
    pub broken: Vec<Broken>,
    /// The cell can be trusted.
    pub trustworthy: bool,
    /// What did not hold, in words.
    #[serde(default)]
    pub text: String,
}

/// The capacity of every backend, in the order of the config; empty without a search.
pub(crate) fn all(
    manifest: &Manifest,
    config: &Config,
    cells: &[MeasuredCell<'_>],
) -> Vec<Capacity> {
    let search = config.load.search.as_ref();
    let Some(search) = search.filter(|search| search.finds_capacity()) else {
        return Vec::new();
    };
    let labels = config.backends.iter().map(|backend| backend.label());
    let found = labels.filter_map(|backend| {
        let mut levels = levels(manifest, backend, cells);
        // Looks of a tuning measure less than was asked for.
        levels.retain(|level| level.block >= config.look_blocks());
        (!levels.is_empty()).then(|| capacity((manifest, config, search), backend, levels))
    });
    found.collect()
}

/// What was measured of a backend, in the order of time.
fn levels(manifest: &Manifest, backend: &str, cells: &[MeasuredCell<'_>]) -> Vec<CapacityLevel> {
    let own = manifest
        .cells
        .iter()
        .filter(|cell| cell.key.backend == backend);
    let rows = own.filter_map(|facts| {
        let key = &facts.key;
        let is_same = |cell: &&MeasuredCell<'_>| {
            let row = &cell.row;
            row.backend == key.backend && row.block == key.block && row.level == key.level
        };
        let row = &cells.iter().find(is_same)?.row;
        let kept = row.promise.clone()?;
        Some(CapacityLevel {
            block: key.block,
            level: key.level,
            holds: kept.holds,
            broken: kept.broken,
            trustworthy: row.trustworthy,
            text: String::new(),
        })
    });
    rows.collect()
}

fn capacity(
    (manifest, config, search): (&Manifest, &Config, &SearchConfig),
    backend: &str,
    levels: Vec<CapacityLevel>,
) -> Capacity {
    let own = |block: u32| {
        let trials = levels.iter().filter(move |level| level.block == block);
        let trials = trials.filter_map(|level| {
            Some(Trial {
                load: search.load(level.level)?,
                holds: level.holds,
                seconds: 0.0,
            })
        });
        trials.collect::<Vec<_>>()
    };
    let stages = manifest.plan.stages.iter();
    let mut stages: Vec<_> = stages.filter(|stage| stage.backend == backend).collect();
    stages.sort_by_key(|stage| stage.block);
    let repeats = stages
        .into_iter()
        .filter(|stage| !own(stage.block).is_empty());
    let repeats = repeats.map(|stage| {
        let Bracket { holds, breaks } = Bracket::from_trials(&own(stage.block));
        RepeatCapacity {
            block: stage.block,
            holds,
            breaks,
            end: match searched::next(config, &manifest.cells, stage) {
                Some(Step::Closed) => SearchEnd::Closed,
                Some(Step::OutOfTime) => SearchEnd::OutOfTime,
                Some(Step::Measure(_)) | None => SearchEnd::CutOff,
            },
        }
    });
    let repeats: Vec<RepeatCapacity> = repeats.collect();
    let every = |side: fn(&RepeatCapacity) -> Option<f64>| -> Option<Vec<f64>> {
        repeats.iter().map(side).collect()
    };
    let low = every(|repeat| repeat.holds).and_then(|all| all.into_iter().min_by(f64::total_cmp));
    let high = every(|repeat| repeat.breaks).and_then(|all| all.into_iter().max_by(f64::total_cmp));
    Capacity {
        backend: backend.to_owned(),
        over: search.over,
        low,
        high,
        limited_by: limited_by(search, high, &levels),
        repeats,
        levels,
        text: String::new(),
    }
}

/// What broke at the load from which on it always does.
fn limited_by(search: &SearchConfig, high: Option<f64>, levels: &[CapacityLevel]) -> Vec<Broken> {
    let at_high = levels
        .iter()
        .find(|level| !level.holds && search.load(level.level) == high);
    at_high
        .map(|level| level.broken.clone())
        .unwrap_or_default()
}
