//! The limits of one request, and its outcome.

use std::time::Duration;

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;

use super::self_check::ReadStats;

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the start of sending to the end.
    pub total: Duration,
    /// Longest silence.
    pub idle: Option<Duration>,
}

/// The outcome of one request.
#[derive(Debug)]
pub struct ExchangeOutcome {
    pub exchange: Exchange,
    /// How it ended.
    pub end: StreamEnd,
    /// When it ended, ns.
    pub end_ns: u64,
    /// How its reads went.
    pub reads: ReadStats,
}

/// An end that is a failure.
pub(super) fn broken(reason: FailureReason, message: impl Into<String>) -> StreamEnd {
    StreamEnd::Broken {
        reason,
        message: message.into(),
    }
}
