//! The requests of one shard, made with what those of the others before them leave.

use inferbench_model::plan::shard::Shard;

use super::encoded::EncodedRequest;
use super::error::RequestError;
use super::outcome::Answered;
use super::supply::{NextRequest, RequestSource};

/// Makes a shard's own requests of a cell.
pub(super) struct OwnRequests<S> {
    source: S,
    shard: Shard,
    /// The first request of the whole that has not been made or passed over.
    next: u64,
}

impl<S: RequestSource> OwnRequests<S> {
    pub(super) fn new(source: S, shard: Shard) -> Self {
        Self {
            source,
            shard,
            next: 0,
        }
    }
}

impl<S: RequestSource> RequestSource for OwnRequests<S> {
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        let whole = self.shard.request_index(index);
        for others in self.next..whole {
            self.source.pass_over(others)?;
        }
        self.next = whole.saturating_add(1);
        self.source.make(whole)
    }

    fn follow(&mut self, answered: &Answered) -> Result<Option<NextRequest>, RequestError> {
        self.source.follow(answered)
    }
}
