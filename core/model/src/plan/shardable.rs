//! Which configs can be shared out among machines so that together they send exactly
//! what one would have sent.

use thiserror::Error;

use super::RunPlan;
use super::shard::Shard;
use crate::config::{Attach, BackendConfig, Config, Length, Level, PromptSource};

/// Why a config cannot be shared out, and what to do.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NotShardable {
    /// A server of its own for each shard is another measurement.
    #[error(
        "backend {backend} is launched, which every shard would do: start it once and give its `attach: http://HOST:PORT`"
    )]
    Launched { backend: String },
    /// Its next level follows from the figures of the whole.
    #[error("`load.search` decides by figures that no shard has alone: list the levels instead")]
    Search,
    /// Which point comes next follows from the figures of the whole.
    #[error("`tune` decides by figures that no shard has alone: leave it out")]
    Tune,
    /// A later turn is sent when its answer is there.
    #[error("`{path}.turns` holds conversations in slots, which cannot be shared out: set it to 1")]
    Conversations { path: String },
    /// Which row comes next follows from all slots.
    #[error(
        "`workload.prompts: trace` in a closed loop gives the next row to the slot that is free first, on any machine: replay it with `load.speed` and `arrivals: trace`, or use another source"
    )]
    TraceInClosedLoop,
    /// Free places are counted over the whole.
    #[error(
        "`load.max_in_flight` counts the requests of all machines, which no shard knows: leave it out"
    )]
    MaxInFlight,
    /// A shard would have no slot.
    #[error(
        "concurrency {level} has fewer slots than {count} shards: use {level} or fewer, or leave the level out"
    )]
    FewSlots { level: u32, count: u32 },
    /// A shard would have fewer slots than there are replicas.
    #[error(
        "concurrency {level} leaves a shard of {count} with {slots} slots, fewer than the {replicas} replicas of {backend}: use fewer shards or leave the level out"
    )]
    FewSlotsForReplicas {
        level: u32,
        count: u32,
        slots: u32,
        replicas: u32,
        backend: String,
    },
    /// A shard would have no request.
    #[error(
        "{level} has {requests} measured requests, fewer than {count} shards: use {requests} or fewer, or more requests"
    )]
    FewRequests {
        level: Level,
        requests: u64,
        count: u32,
    },
    /// One start time starts one cell.
    #[error(
        "the plan has {cells} cells, and --start-at starts one: use --rendezvous DIR, which starts each of them together"
    )]
    ManyCells { cells: usize },
}

/// Whether the config can be shared out like this.
///
/// # Errors
/// The first thing that stands in the way.
pub fn check(config: &Config, shard: Shard) -> Result<(), NotShardable> {
    if let Some(backend) = config.backends.iter().find(|b| b.attach.is_none()) {
        let backend = backend.label().to_owned();
        return Err(NotShardable::Launched { backend });
    }
    if config.load.search.is_some() {
        return Err(NotShardable::Search);
    }
    if config.tune.is_some() {
        return Err(NotShardable::Tune);
    }
    for (path, part) in config.workload.parts() {
        if part.turns != Length::Fixed(1) {
            let path = path.to_string();
            return Err(NotShardable::Conversations { path });
        }
        if part.prompts == PromptSource::Trace && config.load.is_closed() {
            return Err(NotShardable::TraceInClosedLoop);
        }
    }
    if config.load.max_in_flight.is_some() {
        return Err(NotShardable::MaxInFlight);
    }
    let levels = config.load.levels();
    levels.into_iter().try_for_each(|level| {
        check_level(config, level, shard.count())?;
        check_replicas(config, level, shard.count())
    })
}

/// Every shard has a slot for every replica.
fn check_replicas(config: &Config, level: Level, count: u32) -> Result<(), NotShardable> {
    let Level::Concurrency(level) = level else {
        return Ok(());
    };
    let slots = level / count;
    let replicas = |backend: &BackendConfig| backend.attach.as_ref().map_or(1, Attach::count);
    let few = |backend: &&BackendConfig| slots < replicas(backend);
    match config.backends.iter().find(few) {
        Some(backend) => Err(NotShardable::FewSlotsForReplicas {
            level,
            count,
            slots,
            replicas: replicas(backend),
            backend: backend.label().to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_level(config: &Config, level: Level, count: u32) -> Result<(), NotShardable> {
    if let Level::Concurrency(slots) = level
        && slots < count
    {
        let level = slots;
        return Err(NotShardable::FewSlots { level, count });
    }
    match config.load.requests_at(level) {
        Some(requests) if requests < u64::from(count) => Err(NotShardable::FewRequests {
            level,
            requests,
            count,
        }),
        _ => Ok(()),
    }
}

/// Whether one start time is enough for the plan.
///
/// # Errors
/// `ManyCells` if it has more than one cell.
pub fn check_single_start(plan: &RunPlan) -> Result<(), NotShardable> {
    match plan.cells() {
        0 | 1 => Ok(()),
        cells => Err(NotShardable::ManyCells { cells }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refusal(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut config = json!({
            "name": "n", "model": {"id": "m"},
            "backends": [{"plugin": "a", "attach": "http://127.0.0.1:1"}],
            "load": {"concurrency": [8], "requests": 64}
        });
        change(&mut config);
        let config: Config = serde_json::from_value(config).unwrap();
        let refused = check(&config, Shard::new(0, 4).unwrap()).err();
        refused.map(|refused| refused.to_string())
    }

    #[test]
    fn what_cannot_be_shared_out_says_what_to_do() {
        assert_eq!(refusal(|_| ()), None);
        let launched = refusal(|config| config["backends"][0] = json!({"plugin": "a"}));
        assert!(
            launched
                .unwrap()
                .contains("give its `attach: http://HOST:PORT`")
        );
        let turns = refusal(|config| config["workload"] = json!({"turns": 2}));
        assert!(turns.unwrap().starts_with("`workload.turns`"));
        let held = refusal(|config| {
            config["load"] = json!({"request_rate": [1], "requests": 64, "max_in_flight": 9});
        });
        assert!(held.unwrap().starts_with("`load.max_in_flight`"));
        let trace = refusal(|config| config["workload"] = json!({"prompts": "trace", "file": "f"}));
        assert!(trace.unwrap().contains("`arrivals: trace`"));
    }

    #[test]
    fn every_shard_must_have_something_to_do() {
        assert_eq!(
            refusal(|config| config["load"]["concurrency"] = json!([8, 3])).unwrap(),
            "concurrency 3 has fewer slots than 4 shards: use 3 or fewer, or leave the level out"
        );
        assert_eq!(
            refusal(|config| config["load"]["requests"] = json!(3)).unwrap(),
            "concurrency 8 has 3 measured requests, fewer than 4 shards: use 3 or fewer, or more requests"
        );
        let urls = json!([
            "http://127.0.0.1:1",
            "http://127.0.0.1:2",
            "http://127.0.0.1:3"
        ]);
        assert_eq!(
            refusal(|config| config["backends"][0]["attach"] = urls).unwrap(),
            "concurrency 8 leaves a shard of 4 with 2 slots, fewer than the 3 replicas of a: use fewer shards or leave the level out"
        );
    }
}
