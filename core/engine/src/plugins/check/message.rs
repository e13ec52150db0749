//! What the child of a check sends its parent, and why none may come.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A check that could not be made.
#[derive(Debug, Error)]
pub enum PluginCheckError {
    /// The child could not be started, or spoken with.
    #[error("the child process of the check: {doing}")]
    Child {
        /// What was done.
        doing: &'static str,
        /// Why it did not succeed.
        #[source]
        source: std::io::Error,
    },
    /// The child spoke another language.
    #[error("the child process of the check sent an unreadable line")]
    Line(#[from] serde_json::Error),
}

/// What the child reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChildMessage {
    Loaded {
        api: String,
        rustc: String,
        backends: Vec<String>,
    },
    Begins {
        backend: Option<String>,
        check: String,
    },
    Ended {
        reason: Option<String>,
    },
    Note(String),
    Done,
}
