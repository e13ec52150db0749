//! The async runtime of commands that talk to servers.

use tokio::runtime::{Builder, Runtime};

use crate::exit::CliError;

pub(super) fn start() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)
}
