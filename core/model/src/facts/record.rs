//! The fact that a request leaves: its record, one line of `requests.jsonl`, and what
//! follows from its own times and counts.

mod decode_time;

use serde::{Deserialize, Serialize};

use crate::config::Level;

/// Part of a cell that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sent before the warm-up had ended; not in any statistic of latency.
    Warmup,
    /// Sent after it: what figures are made of.
    Measured,
}

/// Whether a request succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// End marker, or a good finish reason and a clean end; and no error.
    Ok,
    /// Anything else; `reason` says what.
    Failed,
}

/// Who counted the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's own usage.
    Usage,
    /// The tokenizer, from the text.
    Tokenizer,
}

/// Where a request stands in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestKey {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
    /// Part of the cell.
    pub phase: Phase,
    /// Index in the cell, from 0, in sending order; with the seed it fixes the prompt.
    pub index: u64,
}

/// When a request was planned, sent and over: what the measured window of its
/// cell follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Level of the load.
    pub level: Level,
    /// Part of the cell.
    pub phase: Phase,
    /// Planned send time of an open loop.
    pub scheduled_ns: Option<u64>,
    /// The last byte of the request was handed to the socket.
    pub sent_ns: Option<u64>,
    /// The exchange ended.
    pub end_ns: u64,
}

/// One request: what was asked, when, and what came back. Times ending in
/// `_ns` are monotonic nanoseconds of the host, on one clock for the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
    /// Part of the cell.
    pub phase: Phase,
    /// Index in the cell, from 0, in sending order; with the seed it fixes the prompt.
    pub index: u64,
    /// Replica that it went to, by its place in `attach` from 0, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Class of traffic that it is of, where the run has classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Number of its conversation in the cell, from 0; absent for a single request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Its turn in the conversation, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The turn comes from a tool and not from a person.
    #[serde(default, skip_serializing_if = "is_false")]
    pub turn_of_tool: bool,
    /// Sent after the pause that the turn was to have, ms: the client's own delay. Absent
    /// for a first turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_lag_ms: Option<f64>,
    /// Whether it succeeded.
    pub status: Status,
    /// Why it failed, as a short fixed word; absent if it succeeded.
    pub reason: Option<String>,
    /// The server's or the client's own words on the failure.
    pub message: Option<String>,
    /// HTTP status; absent if no answer began.
    pub http_status: Option<u16>,
    /// Planned send time of an open loop.
    pub scheduled_ns: Option<u64>,
    /// The last byte of the request was handed to the socket.
    pub sent_ns: Option<u64>,
    /// Sent minus scheduled: the client's own delay.
    pub send_lag_ms: Option<f64>,
    /// Time to open the connection this request went over, on its first use only.
    pub connect_ms: Option<f64>,
    /// The request was sent again, on a new connection, since the server had closed
    /// the kept one before the first byte of an answer; `sent_ns` is the second
    /// send. Absent if it was sent once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resent: bool,
    /// Arrival of the first output event.
    pub first_output_ns: Option<u64>,
    /// Arrival of the first text that is not reasoning.
    pub first_content_ns: Option<u64>,
    /// Arrival of the last output event.
    pub last_output_ns: Option<u64>,
    /// The exchange ended: end marker, close, error or time-out.
    pub end_ns: u64,
    /// First output event minus sent.
    pub ttft_ms: Option<f64>,
    /// (Last output event minus first) / (output_tokens - 1); absent below 2 tokens, and
    /// where the output came at once, was not seen, or ended long before the tokens did.
    pub tpot_ms: Option<f64>,
    /// Last output event minus sent.
    pub e2e_latency_ms: Option<f64>,
    /// Last output event minus scheduled, in an open loop.
    pub e2e_from_schedule_ms: Option<f64>,
    /// Decode time per token after the first arrival: (last - first) / (tokens - tokens of
    /// the first arrival), absent like `tpot_ms`.
    pub decode_ms_per_token: Option<f64>,
    /// The server does not count per event, so `decode_ms_per_token` takes the tokens
    /// for evenly spread over the arrivals: (last - first) / (tokens - tokens / arrivals).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decode_is_estimated: bool,
    /// Prompt length that was asked for, tokens.
    pub asked_input_tokens: Option<u32>,
    /// Answer length that was asked for, tokens.
    pub asked_output_tokens: u32,
    /// Tokens at the beginning of the prompt that an earlier request of the cell began
    /// with, too: what a prefix cache of any size could save. Absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_tokens: Option<u32>,
    /// Prompt tokens as the server counts them.
    pub input_tokens: Option<u32>,
    /// Answer tokens as the server counts them.
    pub output_tokens: Option<u32>,
    /// Prompt tokens that came from the prefix cache.
    pub cached_tokens: Option<u32>,
    /// Answer tokens spent on reasoning.
    pub reasoning_tokens: Option<u32>,
    /// Prompt tokens that stand for images, as the server counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tokens: Option<u32>,
    /// Bytes of the HTTP request that was sent, head and body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    /// Who counted.
    pub token_source: Option<TokenSource>,
    /// The server's finish reason.
    pub finish_reason: Option<String>,
    /// Gaps between neighbouring output events.
    pub itl_ms: Vec<f64>,
    /// Tokens of each output event; absent if the server does not report them.
    pub tokens_per_event: Option<Vec<u32>>,
    /// Tokens that the server counted in messages without output after the last output
    /// event: ends, and special tokens that have no text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens_without_output: u32,
    /// Largest difference between the return of a read and the arrival of its
    /// bytes, among reads that held output: the client's own delay. Absent
    /// without output over a socket.
    #[serde(default)]
    pub read_delay_ms: Option<f64>,
    /// Output events that came in one read with another, and so share its
    /// arrival time; absent like `read_delay_ms`.
    #[serde(default)]
    pub events_sharing_a_read: Option<u32>,
    /// Those of them that may have come more than half a millisecond before their stamp:
    /// for each read that brought such, how many, and by how many milliseconds at most.
    /// Absent like `read_delay_ms`, and in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_stamped_late: Option<Vec<(u32, f64)>>,
    /// By how much the first output event may have come before its stamp: it shares its
    /// read with other output, whose stamp is that of the last bytes, and this is the time
    /// back to the last look that found nothing. Absent if it has a read of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_output_early_ms: Option<f64>,
    /// Stream messages that could not be read and were skipped.
    pub malformed_events: u32,
    /// Beginning of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed_example: Option<String>,
    /// Stream messages that were no JSON and had to be mended to be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mended_events: u32,
    /// Beginning of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended_example: Option<String>,
    /// Output events that hold ids of tokens in place of their text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_id_events: u32,
    /// Stream messages without output, with something in a field that is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread_events: u32,
    /// Path of that field in the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_field: Option<String>,
    /// SHA-256 of the answer's text, hex.
    pub text_sha256: Option<String>,
    /// Length of the answer's text in characters, and its marks: what
    /// [`TextMarks`](crate::facts::text_marks::TextMarks) makes of it. Absent unless the
    /// request counts and has text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_chars: Option<u64>,
    /// See `text_chars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_marks: Option<String>,
    /// The answer's text, if it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The answer's reasoning, if text is kept and there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_text: Option<String>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl RequestRecord {
    /// Whether the request succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Whether the request's latencies enter statistics: measured and successful.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.is_ok() && self.phase == Phase::Measured
    }

    /// Output events.
    #[must_use]
    pub fn output_events(&self) -> u32 {
        match self.first_output_ns {
            Some(_) => u32::try_from(self.itl_ms.len()).map_or(u32::MAX, |gaps| gaps + 1),
            None => 0,
        }
    }

    /// When it was planned, sent and over.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing {
            level: self.level,
            phase: self.phase,
            scheduled_ns: self.scheduled_ns,
            sent_ns: self.sent_ns,
            end_ns: self.end_ns,
        }
    }

    /// Arrival time of each output event, as it was stamped.
    #[must_use]
    pub fn event_times_ns(&self) -> Vec<u64> {
        let Some(first) = self.first_output_ns else {
            return Vec::new();
        };
        let mut at = first;
        let mut times = Vec::with_capacity(self.itl_ms.len() + 1);
        times.push(first);
        for gap in &self.itl_ms {
            // Summed as whole nanoseconds, so that no rounding adds up.
            at = at.saturating_add_signed(crate::text::units::signed_ns_of_ms(*gap));
            times.push(at);
        }
        times
    }
}
