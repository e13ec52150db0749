//! What a record's own times and counts say of the time between tokens, and where they
//! say nothing.

use super::RequestRecord;
use crate::text::units::ms_between;

/// Output within this time, or this part of the wait for it, is taken for having come
/// at one instant, if every event of it shared its read with another: no engine makes
/// tokens as fast, and what holds an answer back sends it in two or three pieces.
const AT_ONCE_NS: u64 = 1_000_000;
const AT_ONCE_PART: u64 = 20;
/// Time per token, ns, that an answer as a whole may have taken for it not to matter how
/// it came: what times between tokens may be wrong by then is less than they are anyway.
const HIDDEN_NS: u64 = 10_000;
/// Tokens of an answer without any text that may all be special ones.
const TOKENS_WITHOUT_TEXT: u32 = 4;
/// Tokens without output at the end of an answer that do not matter to TPOT: the end
/// itself and a mark or two, or this share of all.
const SILENT_END_TOKENS: u32 = 2;
const SILENT_END_SHARE: f64 = 0.05;
/// Without a count of tokens, so many times the unread messages must be more than the
/// output events.
const UNREAD_SHARE: u32 = 4;

impl RequestRecord {
    /// Whether more than one token came, and all output at one instant: the server
    /// did not stream, or something held its answer back. Then no time between
    /// tokens was measured.
    #[must_use]
    pub fn came_at_once(&self) -> bool {
        let Some((first, last)) = self.first_output_ns.zip(self.last_output_ns) else {
            return false;
        };
        let events = self.output_events();
        if events < 2 && self.output_tokens.is_none_or(|tokens| tokens < 2) {
            return false;
        }
        let all_shared = self.events_sharing_a_read == Some(events);
        let span_ns = last.abs_diff(first);
        let waited_ns = self
            .sent_ns
            .map_or(0, |sent_ns| first.saturating_sub(sent_ns));
        let at_once_ns = AT_ONCE_NS.max(waited_ns / AT_ONCE_PART);
        let tokens = u64::from(self.output_tokens.unwrap_or(0).max(events));
        if waited_ns.saturating_add(span_ns) / tokens.max(1) < HIDDEN_NS {
            return false;
        }
        span_ns == 0 || (all_shared && span_ns < at_once_ns)
    }

    /// Moments at which output came: events that share a read share one.
    #[must_use]
    pub fn output_arrivals(&self) -> u32 {
        let later = self.itl_ms.iter().filter(|gap| **gap > 0.0).count();
        match self.first_output_ns {
            Some(_) => u32::try_from(later).map_or(u32::MAX, |later| later + 1),
            None => 0,
        }
    }

    /// Whether the server made output that is not among the events: it counts tokens
    /// of which nothing came, or messages had something in fields that are not known
    /// and there are tokens left for each of them.
    #[must_use]
    pub fn has_unseen_output(&self) -> bool {
        let (events, unread) = (self.output_events(), self.unread_events);
        if events == 0 {
            // A server that counts none may have made any; a few may be special ones.
            let some = |tokens| tokens > TOKENS_WITHOUT_TEXT || (unread > 0 && tokens >= 2);
            return self.output_tokens.is_none_or(some);
        }
        let has_room = match self.output_tokens {
            Some(tokens) => tokens >= events.saturating_add(unread),
            None => unread.saturating_mul(UNREAD_SHARE) > events,
        };
        unread > 0 && has_room
    }

    /// Whether so many of its tokens came without output after the last output event that
    /// the time between first and last output is not that of its tokens.
    #[must_use]
    pub fn ends_without_output(&self) -> bool {
        let (tokens, silent) = (self.output_tokens.unwrap_or(0), self.tokens_without_output);
        silent > SILENT_END_TOKENS && f64::from(silent) > SILENT_END_SHARE * f64::from(tokens)
    }

    /// What `tpot_ms` follows from its own times and counts.
    #[must_use]
    pub fn tpot_from_times_ms(&self) -> Option<f64> {
        let tokens = self.output_tokens.filter(|tokens| *tokens >= 2)?;
        if self.ends_without_output() {
            return None;
        }
        Some(self.decode_span_ms()? / f64::from(tokens - 1))
    }

    /// What `decode_ms_per_token` follows from its own times and counts, and whether
    /// the tokens of the first event had to be estimated.
    #[must_use]
    pub fn decode_from_times_ms(&self) -> Option<(f64, bool)> {
        let span_ms = self.decode_span_ms()?;
        if let Some(counts) = &self.tokens_per_event {
            // What shares the first event's read came with it.
            let with_first = self.itl_ms.iter().take_while(|gap| **gap == 0.0).count();
            let later = counts.iter().skip(1 + with_first);
            let later: u64 = later.map(|n| u64::from(*n)).sum();
            return (later > 0).then(|| (span_ms / later as f64, false));
        }
        let tokens = f64::from(self.output_tokens?);
        let arrivals = f64::from(self.output_arrivals());
        let later = tokens - tokens / arrivals;
        (arrivals >= 2.0 && later > 0.0).then(|| (span_ms / later, true))
    }

    /// From the first to the last output event; `None` if that says nothing of the
    /// time between tokens.
    fn decode_span_ms(&self) -> Option<f64> {
        let says_nothing = self.came_at_once() || self.has_unseen_output();
        let (first, last) = self.first_output_ns.zip(self.last_output_ns)?;
        (!says_nothing).then(|| ms_between(first, last))
    }
}
