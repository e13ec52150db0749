//! A process that starts a backend for others, and measures nothing.

use std::path::PathBuf;

/// How a backend is started for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServePlan {
    /// Address that its server listens on, by which others reach it.
    pub host: String,
    /// File that is written with the server's URL once it is ready.
    pub ready_file: Option<PathBuf>,
}
