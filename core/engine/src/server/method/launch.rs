//! What every launch method gives: a plan, and what must be there for it.

use std::path::PathBuf;

use inferbench_plugin_api::LaunchPlan;

/// A start of a server, by whichever method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The plan, its environment complete.
    pub plan: LaunchPlan,
    /// What has to be there before it can start; absent if the plan's program
    /// is all.
    pub fetch: Option<Fetch>,
    /// Folders that have to be there.
    pub folders: Vec<PathBuf>,
    /// Commands that stop what is not among its processes, in order. The last one
    /// alone is enough, and gives no grace.
    pub stop_commands: Vec<Vec<String>>,
}

/// How to fetch what a start needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What it is, such as `vllm 0.32.0`.
    pub what: String,
    /// Command that ends well if it is there; absent if `plan` sees for itself.
    pub check: Option<Vec<String>>,
    /// Plan that fetches it and ends.
    pub plan: LaunchPlan,
}

pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
