//! Requests made ahead of time on a thread of their own. When they are sent is
//! for the loops.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::error::{LoadError, RequestError};
use super::exchange::EncodedRequest;

/// Longest time in which no request becomes ready. Making one takes
/// milliseconds, so what takes longer hangs.
pub(crate) const MAKE_LIMIT: Duration = Duration::from_secs(30);

/// Makes the requests of a cell, one after the other.
pub trait RequestSource: Send + 'static {
    /// The request with this index.
    ///
    /// # Errors
    /// See [`RequestError`].
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError>;
}

/// Requests made ahead on a thread of their own, so that making them never
/// delays the load.
pub(super) struct Feed {
    requests: mpsc::Receiver<Result<EncodedRequest, LoadError>>,
    /// Longest time in which none becomes ready.
    limit: Duration,
}

impl Feed {
    pub(super) fn start(mut source: impl RequestSource, depth: usize) -> Self {
        let (send, requests) = mpsc::channel(depth);
        std::thread::spawn(move || {
            for index in 0.. {
                let made = source
                    .make(index)
                    .map_err(|source| LoadError::Request { index, source });
                let stop = made.is_err();
                if send.blocking_send(made).is_err() || stop {
                    return;
                }
            }
        });
        Self {
            requests,
            limit: MAKE_LIMIT,
        }
    }

    /// Waits until `n` requests, or as many as fit, are ready, or none has
    /// become so for `limit`.
    pub(super) async fn fill(&self, n: usize) {
        let wanted = n.min(self.requests.max_capacity());
        let (mut have, mut since) = (0, Instant::now());
        while self.requests.len() < wanted && !self.requests.is_closed() {
            if self.requests.len() > have {
                (have, since) = (self.requests.len(), Instant::now());
            } else if since.elapsed() >= self.limit {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn next(&mut self) -> Result<EncodedRequest, LoadError> {
        let received = tokio::time::timeout(self.limit, self.requests.recv()).await;
        let limit_s = self.limit.as_secs_f64();
        let received = received.map_err(|_| LoadError::NotMade { limit_s })?;
        received.unwrap_or(Err(LoadError::Lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hangs;

    impl RequestSource for Hangs {
        fn make(&mut self, _: u64) -> Result<EncodedRequest, RequestError> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn a_source_that_hangs_ends_the_load_with_words() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut feed = Feed::start(Hangs, 4);
        feed.limit = Duration::from_millis(50);
        let next = runtime.block_on(async {
            feed.fill(4).await;
            feed.next().await
        });
        let words = next.unwrap_err().to_string();
        assert!(
            words.starts_with("no request was ready within 0.05 s"),
            "{words}"
        );
    }
}
