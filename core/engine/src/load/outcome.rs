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

/// The answer to a turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Number of the conversation.
    pub session: u64,
    pub text: String,
    pub is_ok: bool,
    /// Prompt tokens, as the server counted them.
    pub input_tokens: Option<u32>,
    /// Answer tokens, as the server counted them.
    pub output_tokens: Option<u32>,
}

impl ExchangeOutcome {
    /// The answer, as the next turn of its conversation needs it; whether it is good is
    /// for its record to say.
    pub(super) fn answered(&self, session: u64) -> Answered {
        let (text, output_tokens) = self.exchange.answer();
        Answered {
            session,
            text: text.to_owned(),
            is_ok: false,
            input_tokens: self.exchange.input_tokens(),
            output_tokens,
        }
    }
}

/// An end that is a failure.
pub(super) fn broken(reason: FailureReason, message: impl Into<String>) -> StreamEnd {
    StreamEnd::Broken {
        reason,
        message: message.into(),
    }
}
