//! Why shards cannot be merged.

use std::io;
use std::path::PathBuf;

use inferbench_model::facts::key::CellKey;
use inferbench_model::plan::shard::Shard;
use thiserror::Error;

use crate::derive::DeriveError;
use crate::store::{Altered, StoreError};

/// Shards that are not one run.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A folder is none, or its manifest cannot be read.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A folder is a whole run.
    #[error("{}: is not a shard but a whole run", .0.display())]
    NoShard(PathBuf),
    /// One shard twice.
    #[error("{} and {}: both are {shard}", one.display(), other.display())]
    Twice {
        one: PathBuf,
        other: PathBuf,
        shard: Shard,
    },
    /// They are not of one run.
    #[error("{} and {}: {what} differs: {one_has} and {other_has}", one.display(), other.display())]
    Differs {
        one: PathBuf,
        other: PathBuf,
        what: String,
        one_has: String,
        other_has: String,
    },
    /// Shards are missing or did not come to their end.
    #[error("{} of {count} shards are lost, so the load was not what was asked for", lost.len())]
    Lost { lost: Vec<Lost>, count: u32 },
    /// There is none.
    #[error("no folder of a shard was given, there is nothing to merge")]
    Nothing,
    /// Records are not as the shard left them.
    #[error("{}: has {bytes} bytes, its run.json says {said}: it was cut short or changed", path.display())]
    Changed {
        path: PathBuf,
        bytes: u64,
        said: u64,
    },
    /// Records of the same size, but others.
    #[error("{}: has SHA-256 {is}, its run.json says {said}: it was changed", path.display())]
    OtherRecords {
        path: PathBuf,
        is: String,
        said: String,
    },
    /// Its facts are not as the shard left them.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// A line cannot be understood.
    #[error("{} line {line}: cannot be understood", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        #[source]
        source: serde_json::Error,
    },
    /// A record is another shard's.
    #[error("{} line {line}: request {index} is not one of {shard}", path.display())]
    Foreign {
        path: PathBuf,
        line: u64,
        index: u64,
        shard: Shard,
    },
    /// A cell did not begin when its shard says.
    #[error("{}: {cell} was to begin at {start_at_ns} ns since 1970, which by this shard's clocks is not within the cell: `shard` is not what the shard recorded", path.display())]
    Untimely {
        path: PathBuf,
        cell: CellKey,
        start_at_ns: u64,
    },
    /// A time does not fit.
    #[error("{} line {line}: its times do not fit on the first shard's clock: a wall clock was wrong", path.display())]
    Clock { path: PathBuf, line: u64 },
    /// Records cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Records cannot be written.
    #[error("the merged records cannot be written")]
    Unwritable(#[source] io::Error),
}

impl MergeError {
    /// Whether facts are others than a shard left, and nothing else is wrong with them.
    #[must_use]
    pub fn is_of_changed_facts(&self) -> bool {
        match self {
            Self::Changed { .. } | Self::OtherRecords { .. } => true,
            Self::Altered(altered) => !matches!(altered, Altered::Store(_)),
            _ => false,
        }
    }
}

/// A shard that is missing, and why as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its place, from 0.
    pub index: u32,
    /// What is known.
    pub why: String,
}
