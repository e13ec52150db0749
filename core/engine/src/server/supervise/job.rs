//! What InferBench and a supervisor say to each other.

use std::path::PathBuf;

use inferbench_plugin_api::StopPlan;
use serde::{Deserialize, Serialize};

pub use crate::os::processes::MARK;

/// What a supervisor starts, and how it stops it. It holds secrets, and so
/// travels through a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Program, as it is to be executed.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Environment on top of InferBench's own: name and value.
    pub env: Vec<(String, String)>,
    /// Folder of `stdout.log` and `stderr.log`.
    pub folder: PathBuf,
    /// How the tree is stopped.
    pub stop: StopPlan,
    /// Commands that stop what is not in the tree, run before its processes are
    /// signalled.
    pub stop_commands: Vec<Vec<String>>,
    /// Value of [`MARK`], unique on this machine.
    pub mark: String,
    /// Process id of InferBench.
    pub owner: i32,
    /// Folder of the journal; without it nothing is noted.
    pub journal: Option<PathBuf>,
}

/// What a supervisor is asked after its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Stop the tree in order: the plan's signal, its grace, then SIGKILL.
    Stop,
    /// Kill the tree at once.
    Kill,
}

/// What a supervisor reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The server's first process runs.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// It could not be started.
    Refused {
        /// Why, in words.
        reason: String,
    },
    /// The first process has ended.
    Exited {
        /// Its wait status, as the system gives it.
        status: i32,
    },
    /// The tree was stopped.
    Stopped {
        /// Processes that would not go, by id.
        left: Vec<i32>,
    },
}
