//! Whether there is a host of the server's name at all.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Readiness;
use super::error::ReadyError;
use super::waiting::Later;

/// Longest that the resolver is waited for, before the host is tried anyway.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

impl Readiness<'_> {
    /// Refuses a host that there is not. A resolver that does not answer says nothing of it.
    pub(super) async fn ask_for_address(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<Later>, ReadyError> {
        let limit = LOOKUP_LIMIT.min(self.limit / 2);
        let asked = tokio::select! {
            asked = tokio::time::timeout(limit, self.target.unknown_host()) => asked,
            () = cancel.cancelled() => return Err(ReadyError::Interrupted),
        };
        match asked {
            Ok(None) => Ok(None),
            Ok(Some(host)) => Err(ReadyError::NoSuchHost {
                host: host.to_owned(),
            }),
            Err(_) => Ok(Some(Later {
                words: "the resolver does not answer for its name".to_owned(),
                connected: false,
            })),
        }
    }
}
