//! A file or folder of the store that cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A run folder that cannot be made or written.
#[derive(Debug, Error)]
#[error("{}: {action}", path.display())]
pub struct StoreError {
    /// File or folder.
    pub path: PathBuf,
    /// What was done to it.
    pub action: &'static str,
    #[source]
    pub source: io::Error,
}

impl StoreError {
    /// What was done to `path`, and why it failed.
    pub(crate) fn new(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            action,
            source,
        }
    }
}

pub(super) fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError {
        path,
        action,
        source,
    }
}
