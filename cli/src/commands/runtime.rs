//! The async runtime of commands that talk to servers.

use std::time::Duration;

use tokio::runtime::Builder;

use crate::exit::CliError;

/// How long what blocks a thread of it may go on once all is done.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Does this to its end.
pub(super) fn block_on<F: Future>(work: F) -> Result<F::Output, CliError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(END_LIMIT);
    Ok(done)
}
