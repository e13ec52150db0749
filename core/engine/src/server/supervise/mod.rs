//! The supervisor: a small process between InferBench and a server, which stops
//! the server's whole tree when it is asked to, or when InferBench is gone,
//! however it went.
//!
//! It adopts what loses its parent, so that a daemon cannot leave the tree. It is
//! given its [`Job`] and its [`Order`]s on standard input and answers with
//! [`Report`]s on standard output, a line of JSON each; the end of its input is
//! the end of InferBench. `inferbench supervise` is all that calls it.

mod journal;
mod work;

use std::path::{Path, PathBuf};

use inferbench_plugin_api::StopPlan;
use serde::{Deserialize, Serialize};

pub use journal::{Entry, Journal, Leftover};
pub use work::{SuperviseError, main};

/// Variable that marks every process of one server, whatever it forks.
pub const MARK: &str = "INFERBENCH_SERVER";

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

/// The program that supervises: this one, or the one beside it.
#[must_use]
pub fn program() -> Option<PathBuf> {
    const NAME: &str = "inferbench";
    let own = std::env::current_exe().ok()?;
    // The name says so even after the file was replaced by a newer one.
    let name = own.file_name()?.to_string_lossy().into_owned();
    if name == NAME || name == format!("{NAME} (deleted)") {
        return Some(PathBuf::from("/proc/self/exe"));
    }
    let folder = crate::os::folders::own_folder()?;
    let beside = [Some(folder.as_path()), folder.parent()];
    let files = beside.into_iter().flatten().map(|f: &Path| f.join(NAME));
    files.into_iter().find(|file| file.is_file())
}
