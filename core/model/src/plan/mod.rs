//! From a config to the steps of its run: which backend, at which level, in
//! which block, in which order.

pub mod asked;
pub mod bend;
pub mod conversation;
pub mod expected_time;
pub mod length_table;
pub mod mixture;
pub mod preview;
pub mod prompt;
pub mod rate_curve;
pub mod sample_size;
pub mod schedule;
pub mod search;
pub mod seed;
pub mod sends;
pub mod shard;
pub mod shard_place;
pub mod shardable;
pub mod trace_times;
pub mod tune;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Level, LoadConfig};

/// The steps of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// One entry per start of a backend, in order.
    pub stages: Vec<Stage>,
    /// Cells that are left out, and why.
    pub skipped: Vec<Skipped>,
}

/// One backend, freshly started and measured at each of its levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Index in the config's `backends`.
    pub backend_index: usize,
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Levels, in the order in which they are measured.
    pub levels: Vec<PlannedLevel>,
}

/// A level and its place in the config.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannedLevel {
    /// Index in the config's list of levels, by which its prompts and arrivals are
    /// drawn. Schema version 1 of `run.json` does not have it.
    #[serde(default = "not_indexed")]
    pub index: usize,
    /// What it asks for.
    #[serde(flatten)]
    pub level: Level,
}

fn not_indexed() -> usize {
    usize::MAX
}

/// A cell that is left out by the config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Label of the backend.
    pub backend: String,
    /// Level left out in every block.
    pub level: Level,
    /// Why.
    pub reason: String,
}

impl RunPlan {
    /// The plan of a checked config. Within each block the backends come in a
    /// random order drawn from `config.seed` and the block alone. Which of its stages a
    /// tuning starts follows from what it measures, and so does which levels a search has:
    /// those stages are without levels until then.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let decides = config.load.search.is_some() || config.tune.is_some();
        let mut stages = Vec::new();
        for block in 0..config.blocks() {
            let mut order: Vec<usize> = (0..config.backends.len()).collect();
            let seed = seed::derive(config.seed, &[seed::ORDER, u64::from(block)]);
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            for backend_index in order {
                let levels = levels_of(config, backend_index);
                if !levels.is_empty() || config.load.search.is_some() {
                    stages.push(Stage {
                        backend_index,
                        backend: config.backends[backend_index].label().to_owned(),
                        block,
                        levels: if decides { Vec::new() } else { levels },
                    });
                }
            }
        }
        Self {
            stages,
            skipped: skipped(config, &config.load.levels()),
        }
    }

    /// Sets the index of every level, from the levels of the config in order. A
    /// level that is not among them keeps an index beyond them all.
    pub fn index_levels(&mut self, levels: &[Level]) {
        for planned in self.stages.iter_mut().flat_map(|stage| &mut stage.levels) {
            let found = levels.iter().position(|level| *level == planned.level);
            planned.index = found.unwrap_or_else(not_indexed);
        }
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.stages.iter().map(|stage| stage.levels.len()).sum()
    }

    /// Measured requests of all cells; `None` if only time ends them, or a search says
    /// which there are.
    #[must_use]
    pub fn requests(&self, load: &LoadConfig) -> Option<u64> {
        if load.search.is_some() || self.stages.iter().all(|stage| stage.levels.is_empty()) {
            return None;
        }
        let levels = self.stages.iter().flat_map(|stage| &stage.levels);
        levels
            .map(|planned| load.requests_at(planned.level))
            .try_fold(0, |sum: u64, requests| Some(sum.saturating_add(requests?)))
    }
}

/// The levels of a backend of the config, in its order; none with a search, whose levels
/// follow from what was measured.
#[must_use]
pub fn levels_of(config: &Config, backend_index: usize) -> Vec<PlannedLevel> {
    let limit = config.backends[backend_index].max_concurrency;
    let levels = config.load.levels().into_iter().enumerate();
    let levels = levels.filter(|(_, level)| !is_above(level, limit));
    levels
        .map(|(index, level)| PlannedLevel { index, level })
        .collect()
}

fn is_above(level: &Level, limit: Option<u32>) -> bool {
    matches!((level, limit), (Level::Concurrency(n), Some(limit)) if *n > limit)
}

fn skipped(config: &Config, levels: &[Level]) -> Vec<Skipped> {
    let mut skipped = Vec::new();
    for backend in &config.backends {
        for level in levels {
            if is_above(level, backend.max_concurrency) {
                let limit = backend.max_concurrency.unwrap_or_default();
                skipped.push(Skipped {
                    backend: backend.label().to_owned(),
                    level: *level,
                    reason: format!("max_concurrency of this backend is {limit}"),
                });
            }
        }
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: &str) -> Config {
        serde_json::from_str(&format!(
            r#"{{"name": "n", "model": {{"id": "m"}},
                "backends": [{{"plugin": "a"}}, {{"plugin": "b", "max_concurrency": 2}}],
                "load": {{"concurrency": [1, 4], "requests": 8}}{extra}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn levels_above_a_backends_limit_are_skipped_and_said() {
        let plan = RunPlan::new(&config(r#", "repeats": 2"#));
        assert_eq!(plan.cells(), 6);
        assert_eq!(plan.skipped.len(), 1);
        assert_eq!(plan.skipped[0].level, Level::Concurrency(4));
        assert_eq!(plan.skipped[0].backend, "b");
    }

    #[test]
    fn a_level_keeps_its_index_where_another_is_left_out() {
        let config = config("");
        let skips_first = r#"{"concurrency": [4, 1], "requests": 8}"#;
        let config = Config {
            load: serde_json::from_str(skips_first).unwrap(),
            ..config
        };
        let plan = RunPlan::new(&config);
        let limited = plan.stages.iter().find(|s| s.backend == "b").unwrap();
        let level = Level::Concurrency(1);
        assert_eq!(limited.levels, [PlannedLevel { index: 1, level }]);
        let written = serde_json::to_value(limited.levels[0]).unwrap();
        assert_eq!(
            written,
            serde_json::json!({"index": 1, "kind": "concurrency", "value": 1})
        );
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<RunPlan>(&text).unwrap(), plan);
    }

    #[test]
    fn each_block_has_every_backend_once_and_the_order_varies() {
        let plan = RunPlan::new(&config(r#", "repeats": 20"#));
        let firsts: Vec<&str> = plan
            .stages
            .chunks(2)
            .map(|pair| {
                assert_ne!(pair[0].backend, pair[1].backend);
                pair[0].backend.as_str()
            })
            .collect();
        assert!(firsts.contains(&"a") && firsts.contains(&"b"));
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let config = config(r#", "repeats": 5"#);
        assert_eq!(RunPlan::new(&config), RunPlan::new(&config));
    }
}
