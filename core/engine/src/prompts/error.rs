//! What can be wrong with a file of prompts.

use std::fmt;
use std::path::Path;

use thiserror::Error;

/// A file of prompts that cannot be used.
#[derive(Debug, Error)]
pub enum PromptFileError {
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Unreadable { file: String, reason: String },
    /// One of its rows is wrong.
    #[error("{file}:{place}: {reason}")]
    Row {
        file: String,
        place: Place,
        reason: String,
    },
    /// It has no prompt.
    #[error("{file}: has no prompt, needs at least one")]
    Empty { file: String },
    /// It has rows, and all of them are left out.
    #[error("{file}: all {rows} rows are left out: {reasons}")]
    NoneKept {
        file: String,
        rows: u64,
        reasons: String,
    },
}

impl PromptFileError {
    pub(super) fn unreadable(file: &Path, reason: impl fmt::Display) -> Self {
        Self::Unreadable {
            file: file.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line, from 1.
    Line(u64),
    /// Element of a JSON array, from 1.
    Element(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "{number}"),
            Self::Element(number) => write!(f, " element {number}"),
        }
    }
}
