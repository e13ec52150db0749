//! Whether a level fits into a cache, in one sentence.

use super::estimate::KvEstimate;
use crate::text::number::{self, grouped};

/// Room for a cache on one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Bytes of one GPU.
    Bytes(u64),
    /// Tokens, as set on a server, of one rank.
    Tokens(u64),
}

/// A warning if `concurrency` sequences of `tokens` each, divided among the ranks
/// that have a cache each, need more than there is; `None` if they fit.
#[must_use]
pub fn forecast(
    estimate: &KvEstimate,
    room: Room,
    concurrency: u64,
    tokens: u64,
) -> Option<String> {
    let each = estimate.sequence_bytes(tokens);
    let ranks = u64::from(estimate.data_parallel.max(1));
    let here = estimate.sequences_of_one_rank(concurrency);
    let needed = estimate.needed_bytes(here, tokens);
    let (fit, free) = match room {
        Room::Bytes(bytes) => (bytes.checked_div(each)?, number::bytes(bytes)),
        Room::Tokens(room) => (
            room.checked_div(tokens)?,
            format!("{} tokens", grouped(room)),
        ),
    };
    if fit >= here {
        return None;
    }
    let share = match ranks {
        1 => String::new(),
        ranks => format!(", {here} on each of {ranks} ranks,"),
    };
    let load = format!(
        "concurrency {concurrency} x {} tokens{share}",
        grouped(tokens)
    );
    let needs = match room {
        Room::Bytes(_) => number::bytes(needed),
        Room::Tokens(_) => format!("{} tokens", grouped(here.saturating_mul(tokens))),
    };
    let what = match fit {
        0 => "not one such request fits".to_owned(),
        fit => format!(
            "expect queueing or preemption above {}",
            fit.saturating_mul(ranks)
        ),
    };
    Some(format!("{load} needs {needs}, {free} are free: {what}"))
}
