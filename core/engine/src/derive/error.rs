//! Why nothing follows from a folder, and what to do about it.

use std::path::{Path, PathBuf};

use inferbench_model::facts::manifest::{OLDEST_RUN_SCHEMA_VERSION, RUN_SCHEMA_VERSION};
use inferbench_model::plan::shard::Shard;
use inferbench_model::report::runs::RunsError;
use thiserror::Error;

use crate::store::{self, StoreError};

/// A run folder that nothing can be derived from.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// A file of facts cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is none.
    #[error("{}: is no run folder: it has no run.json", folder.display())]
    NoRun {
        folder: PathBuf,
        /// The newest run folder in it.
        newest: Option<PathBuf>,
    },
    /// There is no such folder.
    #[error("{}: there is no such folder", .0.display())]
    NoFolder(PathBuf),
    /// It was made by another version.
    #[error(
        "{folder}/run.json has schema_version {found}, this build reads {OLDEST_RUN_SCHEMA_VERSION} to {RUN_SCHEMA_VERSION}"
    )]
    Version { folder: String, found: u32 },
    /// It is a part of a run.
    #[error("{}: is {shard}, a part of a run", folder.display())]
    Shard { folder: PathBuf, shard: Shard },
    /// Its config is not one.
    #[error("{folder}/run.json: `config` cannot be understood: {reason}")]
    Config { folder: String, reason: String },
}

impl DeriveError {
    /// One thing to do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRun {
                newest: Some(newest),
                ..
            } => Some(format!("its newest run is {}", newest.display())),
            Self::Shard { .. } => {
                Some("join all shards first: inferbench merge DIR... -o RUN".to_owned())
            }
            _ => None,
        }
    }
}

/// Runs that cannot be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// One of them cannot be read.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// They do not belong together.
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// What is wrong with a folder without a manifest.
pub(crate) fn no_run(folder: &Path) -> DeriveError {
    if !folder.exists() {
        return DeriveError::NoFolder(folder.to_owned());
    }
    DeriveError::NoRun {
        folder: folder.to_owned(),
        newest: store::newest_run(folder),
    }
}
