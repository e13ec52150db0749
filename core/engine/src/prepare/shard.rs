//! One of several processes that make the load of a run together, and how they begin
//! together.

use std::path::PathBuf;
use std::time::Duration;

use inferbench_model::plan::shard::Shard;

/// What this process is of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlan {
    /// Its part.
    pub shard: Shard,
    /// How it begins with the others.
    pub start: StartTogether,
}

/// How shards begin together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartTogether {
    /// At a time that all were given, ns since 1970.
    At { wall_ns: u64 },
    /// When all have come to a folder that all can read and write.
    Rendezvous {
        folder: PathBuf,
        /// Longest that one waits for the others.
        limit: Duration,
    },
}
