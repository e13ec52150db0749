//! What happens inside an answer: gaps by their position in it, and how many
//! tokens its events carry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::charted::Positions;
use crate::cell::fold;
use crate::cell::measured::MeasuredCell;
use crate::config::Level;
use crate::report::{BackendReport, Row};
use crate::stats::rounded;
use crate::text::units::NS_PER_MS;

/// Digits of a gap.
const DIGITS: i32 = 5;
/// Up to this many tokens of an event have a line each; above, they share
/// ranges that double.
const EACH_UP_TO: u32 = 8;

/// Gaps between output events by their position in the answer, of one backend
/// at one level, over all repeats. The lists are of equal length, one entry
/// per bin of neighbouring positions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GapsByPosition {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Positions in a bin.
    pub width: u64,
    /// First position of each bin; gap k lies between output events k and k + 1.
    pub position: Vec<u64>,
    /// Gaps in each bin.
    pub n: Vec<usize>,
    /// Half of the gaps are not longer; to three digits.
    pub p50_ms: Vec<f64>,
    /// 99 of 100 gaps are not longer, to three digits; null below 100 gaps.
    pub p99_ms: Vec<Option<f64>>,
    /// The longest gap.
    pub max_ms: Vec<f64>,
}

/// Output events of one backend by the tokens that they carry, over all levels
/// and repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokensPerEvent {
    /// Label of the backend.
    pub backend: String,
    /// Events whose tokens the server reported.
    pub events: u64,
    /// Ascending; up to 8 tokens each number has its own.
    pub shares: Vec<TokensShare>,
}

/// Events that carry a number of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokensShare {
    /// Fewest tokens.
    pub from: u32,
    /// Most tokens.
    pub to: u32,
    /// Events.
    pub events: u64,
    /// Their share of all, 0 to 1.
    pub share: f64,
}

pub(crate) fn gaps(rows: &[Row], cells: &[MeasuredCell<'_>]) -> Vec<GapsByPosition> {
    let of_row = |row: &Row| {
        let own = cells.iter().filter(|cell| row.is_made_of(&cell.row));
        let own: Vec<&Positions> = own.map(|cell| &cell.digest.charted.positions).collect();
        let (width, bins) = Positions::together(&own);
        let ms = |ns: u64| rounded(ns as f64 / NS_PER_MS, DIGITS);
        (!bins.is_empty()).then(|| GapsByPosition {
            backend: row.backend.clone(),
            level: row.level,
            width,
            position: bins.iter().map(|bin| bin.position).collect(),
            n: bins.iter().map(|bin| bin.n).collect(),
            p50_ms: bins.iter().map(|bin| ms(bin.p50_ns)).collect(),
            p99_ms: bins.iter().map(|bin| bin.p99_ns.map(ms)).collect(),
            max_ms: bins.iter().map(|bin| ms(bin.longest_ns)).collect(),
        })
    };
    rows.iter().filter_map(of_row).collect()
}

/// The tokens of events; nothing if none is known to carry several.
pub(crate) fn tokens(
    backends: &[BackendReport],
    cells: &[MeasuredCell<'_>],
) -> Vec<TokensPerEvent> {
    let of_backend = |backend: &BackendReport| {
        let own = cells.iter();
        let own = own.filter(|cell| cell.row.backend == backend.label);
        let own = own.map(|cell| cell.digest);
        let mut shares: Vec<TokensShare> = Vec::new();
        for (tokens, events) in fold::counted("tokens_per_event", own) {
            let (from, to) = range(tokens);
            match shares.last_mut().filter(|share| share.from == from) {
                Some(share) => share.events += events,
                None => shares.push(TokensShare {
                    from,
                    to,
                    events,
                    share: 0.0,
                }),
            }
        }
        let events: u64 = shares.iter().map(|share| share.events).sum();
        for share in &mut shares {
            share.share = rounded(share.events as f64 / events as f64, DIGITS);
        }
        (events > 0).then(|| TokensPerEvent {
            backend: backend.label.clone(),
            events,
            shares,
        })
    };
    let found: Vec<TokensPerEvent> = backends.iter().filter_map(of_backend).collect();
    let one_each = |tokens: &TokensPerEvent| tokens.shares.iter().all(|share| share.to == 1);
    if found.iter().all(one_each) {
        return Vec::new();
    }
    found
}

/// The range that a number of tokens falls in: 7, 8, 9 to 16, 17 to 32.
fn range(tokens: u32) -> (u32, u32) {
    if tokens <= EACH_UP_TO {
        return (tokens, tokens);
    }
    let mut to = EACH_UP_TO;
    while to < tokens {
        to = to.saturating_mul(2);
    }
    (to / 2 + 1, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tokens_share_ranges_that_double() {
        for (tokens, expected) in [
            (0, (0, 0)),
            (1, (1, 1)),
            (8, (8, 8)),
            (9, (9, 16)),
            (16, (9, 16)),
            (17, (17, 32)),
            (1000, (513, 1024)),
        ] {
            assert_eq!(range(tokens), expected, "{tokens}");
        }
    }
}
