//! A shard that is no longer what its run left, and was merged all the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A shard whose facts are not as its run left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedShard {
    /// Its place, from 0.
    pub shard: u32,
    /// Files that were changed, are gone or were put there.
    pub files: Vec<String>,
}
