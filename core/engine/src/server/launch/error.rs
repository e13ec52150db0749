//! Why a server could not be started, or not be stopped.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A server that could not be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The plan names no program.
    #[error("the plugin's launch plan names no program")]
    NoProgram,
    /// The plan writes outside its folder.
    #[error("the plugin's launch plan writes to {}, which is outside its folder", path.display())]
    FileOutside {
        /// The path.
        path: PathBuf,
    },
    /// A file or log cannot be written.
    #[error("{}: cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program is not there, or may not be run.
    #[error("cannot start `{program}`: {reason}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// The process that watches over servers is not there or fails.
    #[error("the supervisor {reason}")]
    Supervisor {
        /// What is wrong.
        reason: String,
    },
}

/// A server whose processes would not all go.
#[derive(Debug, Error)]
pub enum StopError {
    /// Some are still there.
    #[error("processes {pids:?} of {} are still there after SIGKILL", folder.display())]
    Left {
        /// Their ids.
        pids: Vec<i32>,
        /// Folder of the server's logs.
        folder: PathBuf,
    },
    /// They were killed without the supervisor.
    #[error(
        "the supervisor of {} ended or hangs: what its server started was killed",
        folder.display()
    )]
    Killed {
        /// Folder of the server's logs.
        folder: PathBuf,
    },
    /// Nobody can say whether any is.
    #[error(
        "the supervisor of {} ended or hangs: what its server started may still run, see inferbench doctor",
        folder.display()
    )]
    Unsupervised {
        /// Folder of the server's logs.
        folder: PathBuf,
    },
}
