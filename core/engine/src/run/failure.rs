//! Why a stage or a cell failed, and what its server left at its end.

use std::io;
use std::path::{Path, PathBuf};

use inferbench_model::config::Level;
use inferbench_model::facts::cell_end::Shortfall;
use inferbench_model::facts::crash_cause::{self, Ended, KnownCause};
use inferbench_plugin_api::PluginError;
use thiserror::Error;

use crate::load::LoadError;
use crate::load::gate::NotStarted;
use crate::os::loopback::NoLoopback;
use crate::prepare::NoLaunch;
use crate::server::fetch::FetchError;
use crate::server::launch::{self, Exit, LaunchError, Server};
use crate::server::readiness::ReadyError;
use crate::store::StoreError;

/// A backend that could not be started, or did not last.
#[derive(Debug, Error)]
pub(super) enum StageError {
    /// The folder of its logs cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of its logs has no absolute path.
    #[error("the folder of its logs has no absolute path")]
    NoAbsolutePath(#[source] io::Error),
    /// It cannot be launched as the config says.
    #[error(transparent)]
    NoLaunch(#[from] NoLaunch),
    /// Its plugin plans nothing.
    #[error("nothing to launch")]
    NothingToLaunch,
    /// A folder that it needs cannot be made.
    #[error("{}: cannot be made", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What it needs cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Nothing that it starts could be reached.
    #[error(transparent)]
    NoLoopback(#[from] NoLoopback),
    /// The system has no port for it.
    #[error("no free port")]
    NoPort(#[source] io::Error),
    /// Its server cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its engine in this process cannot be opened.
    #[error(transparent)]
    Engine(PluginError),
    /// It was not ready.
    #[error(transparent)]
    NotReady(#[from] ReadyError),
    /// One of its replicas was not ready.
    #[error("replica {url}")]
    ReplicaNotReady {
        url: String,
        #[source]
        source: Box<ReadyError>,
    },
    /// Its replicas do not serve the same.
    #[error(
        "replica {other} serves the model {other_model}, and {one} serves {one_model}: replicas must serve the same"
    )]
    ReplicaOfAnotherModel {
        one: String,
        one_model: String,
        other: String,
        other_model: String,
    },
    /// The other shards are not with it.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// The file that says that it is ready cannot be written.
    #[error("{}: cannot be written", file.display())]
    ReadyFile {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The server that was started for others ended.
    #[error("its server has ended by itself")]
    Ended,
    /// A cell could not be measured.
    #[error(transparent)]
    Cell(#[from] CellError),
}

impl StageError {
    /// Whether the shard did not begin with the others.
    pub(super) fn is_not_started(&self) -> bool {
        matches!(
            self,
            Self::NotStarted(_)
                | Self::Cell(CellError::NotStarted(_) | CellError::Load(LoadError::NotStarted(_)))
        )
    }

    /// Whether a file of the run itself was the trouble, and nothing that serves.
    fn is_of_own_files(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::ReadyFile { .. } | Self::Cell(CellError::Store(_))
        )
    }

    /// Whether another start may well go better, for all that this one shows.
    pub(super) fn is_of_this_moment(&self) -> bool {
        let is_taken = matches!(self, Self::NotReady(ReadyError::Stranger { .. }));
        is_taken || matches!(self, Self::NoPort(_))
    }
}

/// A cell that could not be measured.
#[derive(Debug, Error)]
pub(super) enum CellError {
    /// Its load could not be offered.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The other shards are not with it.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// Its thread is gone.
    #[error("the load thread panicked")]
    Panicked,
    /// Its facts cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server ended meanwhile.
    #[error("ended with {exit} while it was measured at {level}")]
    ServerEnded { exit: Exit, level: Level },
    /// Whoever watches over the server is gone, and what became of it is not known.
    #[error("its supervisor was killed while it was measured at {level}")]
    Unsupervised { level: Level },
    /// The cell did not come to the end of its plan.
    #[error("measured at {level} not to the end: {shortfall}")]
    Short { level: Level, shortfall: Shortfall },
}

/// What a server left at its end: its logs, and how it ended.
pub(super) struct ExitReport {
    /// Last lines, to be shown.
    pub(super) log_tail: Vec<String>,
    /// More of them, to find the cause in.
    lines: Vec<String>,
    ended: Option<Ended>,
}

impl ExitReport {
    /// Reads what is in `folder`. A server that was attached to has left nothing
    /// there.
    pub(super) fn read(folder: &Path, server: Option<&Server>) -> Self {
        Self {
            log_tail: launch::log_tail(folder),
            lines: launch::last_lines(folder),
            ended: server.and_then(Server::exit).and_then(Exit::ended),
        }
    }

    /// The known cause of a failure, if it has one. `text`: what is said of it.
    pub(super) fn known_cause(&self, error: &StageError, text: &str) -> Option<KnownCause> {
        if error.is_of_own_files() {
            return None;
        }
        let lines = self.lines.iter().map(String::as_str);
        crash_cause::find(lines.chain([text]), self.ended)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_of_the_results_is_no_cause_of_the_server() {
        let report = ExitReport {
            log_tail: Vec::new(),
            lines: Vec::new(),
            ended: None,
        };
        let full = || io::Error::from_raw_os_error(nix::libc::ENOSPC);
        let path = Path::new("run.json");
        let own = StageError::Cell(StoreError::new(path, "cannot be written", full()).into());
        let of_server = StageError::NoPort(full());
        let text = full().to_string();
        assert!(report.known_cause(&own, &text).is_none());
        assert_eq!(
            report.known_cause(&of_server, &text).unwrap().name,
            "disk full"
        );
    }
}
