//! Whether a level fits into a cache, in one sentence.

use super::estimate::KvEstimate;
use crate::text::number::{self, grouped};

/// Room for a cache on one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Bytes of one GPU.
    Bytes(u64),
    /// Tokens, as set on a server.
    Tokens(u64),
}

/// A warning if `concurrency` sequences of `tokens` each need more than there
/// is; `None` if they fit.
#[must_use]
pub fn forecast(
    estimate: &KvEstimate,
    room: Room,
    concurrency: u64,
    tokens: u64,
) -> Option<String> {
    let each = estimate.sequence_bytes(tokens);
    let needed = estimate.needed_bytes(concurrency, tokens);
    let (fit, free) = match room {
        Room::Bytes(bytes) => (bytes.checked_div(each)?, number::bytes(bytes)),
        Room::Tokens(room) => (
            room.checked_div(tokens)?,
            format!("{} tokens", grouped(room)),
        ),
    };
    if fit >= concurrency {
        return None;
    }
    let load = format!("concurrency {concurrency} x {} tokens", grouped(tokens));
    let needs = match room {
        Room::Bytes(_) => number::bytes(needed),
        Room::Tokens(_) => format!("{} tokens", grouped(concurrency.saturating_mul(tokens))),
    };
    let what = match fit {
        0 => "not one such request fits".to_owned(),
        fit => format!("expect queueing or preemption above {fit}"),
    };
    Some(format!("{load} needs {needs}, {free} are free: {what}"))
}
