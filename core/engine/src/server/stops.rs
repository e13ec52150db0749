//! How a run is stopped from outside, and how its servers are then stopped.

use tokio_util::sync::CancellationToken;

use super::launch::{Server, StopError};

/// How a run is stopped: `gentle` stops sending, stops the servers and writes
/// what there is; `now` leaves the servers no grace.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    /// Stop in order.
    pub gentle: CancellationToken,
    /// Stop at once.
    pub now: CancellationToken,
}

impl Stops {
    /// Stops a server in order, or at once as soon as that is asked for. Returns
    /// when no process of it is left.
    ///
    /// # Errors
    /// See [`StopError`].
    pub(crate) async fn stop_server(&self, server: &mut Server) -> Result<(), StopError> {
        tokio::select! {
            stopped = server.stop() => return stopped,
            () = self.now.cancelled() => {}
        }
        server.kill();
        server.stop().await
    }
}
