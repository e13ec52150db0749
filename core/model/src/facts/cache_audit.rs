//! What the audit of cached answers measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The same prompt asked again and again, beside prompts that were never asked
/// before, one after the other with nothing else under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheAuditFacts {
    /// `e2e_latency_ms` of each prompt that was new.
    pub distinct_ms: Vec<f64>,
    /// Of the one that was repeated, asked right after each of those.
    pub repeated_ms: Vec<f64>,
    /// What stood in the way of a gain from the prefix cache.
    pub prefix_cache: PrefixCacheState,
}

/// The prefix cache during the audit of cached answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrefixCacheState {
    /// It was emptied before each request.
    Emptied,
    /// The server says that it has none.
    Off,
    /// It was on, or the server does not say, and nothing emptied it.
    MayHelp,
}
