//! From the stamped events of one exchange to its record: the definitions of
//! TTFT, TPOT, ITL and success, in one place. The caller stamps; nothing here
//! reads a clock.

mod finish;
mod pieces;
mod reads;

use std::sync::Arc;

pub use inferbench_contract::{OutputKind, Usage};
use pieces::Pieces;
use reads::Reads;

use crate::facts::failure_reason::FailureReason;
use crate::facts::finish_reason::Finish;
use crate::facts::token_counts::TokenCounts;

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// The body ended as HTTP says it should, or the end marker came.
    Clean,
    /// It did not.
    Broken {
        reason: FailureReason,
        /// What is known of it.
        message: String,
    },
}

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Prompt length, tokens.
    pub input_tokens: Option<u32>,
    /// Answer length, tokens.
    pub output_tokens: u32,
    /// Class of traffic that it is of.
    pub class: Option<Arc<str>>,
    /// Its place in a conversation.
    pub turn: Option<TurnKey>,
    /// Tokens at the beginning of the prompt that an earlier request of the cell began
    /// with, too.
    pub repeated_tokens: Option<u32>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnKey {
    /// Number of the conversation in its cell, from 0.
    pub session: u64,
    /// Turn, from 0.
    pub turn: u32,
    /// It comes from a tool.
    pub of_tool: bool,
    /// When it was to be sent: its pause after the answer before it, ns. Absent for the
    /// first turn.
    pub due_ns: Option<u64>,
}

/// The growing log of one exchange.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// What was asked.
    pub asked: Asked,
    /// Bytes of the HTTP request, head and body.
    pub request_bytes: Option<u64>,
    /// Planned send time of an open loop.
    pub scheduled_ns: Option<u64>,
    /// The last byte of the request was handed to the socket.
    pub sent_ns: Option<u64>,
    /// Time to open the connection, on its first use.
    pub connect_ms: Option<f64>,
    /// The request was sent twice: a kept connection ended before any answer.
    pub resent: bool,
    pub http_status: Option<u16>,
    output_ns: Vec<u64>,
    counts: TokenCounts,
    first_content_ns: Option<u64>,
    text: Pieces,
    reasoning: Pieces,
    kinds: Vec<OutputKind>,
    output_bytes: u64,
    usage: Usage,
    finish_reason: Option<String>,
    error: Option<String>,
    end_marker: bool,
    malformed_events: u32,
    malformed_example: Option<String>,
    mended_events: u32,
    mended_example: Option<String>,
    token_id_events: u32,
    unread_events: u32,
    unread_field: Option<String>,
    reads: Reads,
}

impl Exchange {
    /// A read has returned at `returned_ns` with bytes of which the last arrived at
    /// `arrival_ns`, and the first after `empty_ns`, when there was nothing to read; the
    /// events up to the next call are of these bytes.
    pub fn read_began(&mut self, empty_ns: u64, arrival_ns: u64, returned_ns: u64) {
        // An answer cannot come before its request: where its bytes have an earlier
        // stamp, the client was held up between the hand-over and its clock.
        self.sent_ns = self.sent_ns.map(|sent_ns| sent_ns.min(arrival_ns));
        self.reads.current_delay_ns = Some(returned_ns.saturating_sub(arrival_ns));
        self.reads.current_span_ns = arrival_ns.saturating_sub(empty_ns);
        self.reads.current_arrival_ns = arrival_ns;
        self.reads.current_events = 0;
    }

    /// All bytes of the read have been taken; `has_part` if they end within a message:
    /// then the event before it shares its read, too. Where events share it, `first_ns`
    /// may know better since when its first bytes can have been there, ns.
    pub fn read_ended(&mut self, has_part: bool, first_ns: impl FnOnce() -> Option<u64>) {
        self.reads.ended(has_part, first_ns);
    }

    /// A piece of output that arrived at `t_ns`. Empty text is no output event;
    /// its token count still enters the next event's. `count` is the server's count
    /// of tokens that came with it.
    pub fn output(&mut self, t_ns: u64, kind: OutputKind, text: &str, count: Option<u32>) {
        self.usage.output_tokens = self.usage.output_tokens.max(count);
        if text.is_empty() {
            self.counts.note(count);
            return;
        }
        match kind {
            OutputKind::Text => {
                self.first_content_ns.get_or_insert(t_ns);
                self.text.push(text);
            }
            OutputKind::Reasoning => self.reasoning.push(text),
            OutputKind::ToolCall => {}
            OutputKind::TokenIds => self.token_id_events += 1,
        }
        self.kinds.push(kind);
        self.output_bytes += text.len() as u64;
        self.output_ns.push(t_ns);
        self.reads.output();
        self.counts.note_event(t_ns, count);
    }

    /// Token counts. Of answer tokens, the largest one is kept beside the last; of the
    /// others, the last ones reported.
    pub fn usage(&mut self, usage: Usage) {
        self.counts.note_reported(usage.output_tokens);
        self.usage = Usage {
            input_tokens: usage.input_tokens.or(self.usage.input_tokens),
            output_tokens: usage.output_tokens.max(self.usage.output_tokens),
            cached_tokens: usage.cached_tokens.or(self.usage.cached_tokens),
            reasoning_tokens: usage.reasoning_tokens.or(self.usage.reasoning_tokens),
            image_tokens: usage.image_tokens.or(self.usage.image_tokens),
        };
    }

    /// The server's finish reason: the last one, but none takes back that the answer
    /// broke off.
    pub fn finish(&mut self, reason: &str) {
        let known = self.finish_reason.as_deref().map(Finish::from_reason);
        if !matches!(known, Some(Finish::BrokenOff(_))) {
            self.finish_reason = Some(reason.to_owned());
        }
    }

    /// An error reported inside the answer; the first one is kept.
    pub fn error(&mut self, message: &str) {
        self.error.get_or_insert_with(|| message.to_owned());
    }

    pub fn end_marker(&mut self) {
        self.end_marker = true;
    }

    /// A message that could not be read and was skipped.
    pub fn malformed(&mut self, message: &[u8]) {
        self.malformed_events += 1;
        self.malformed_example
            .get_or_insert_with(|| beginning(message));
    }

    /// A message that had to be mended to be read.
    pub fn mended(&mut self, message: &[u8]) {
        self.mended_events += 1;
        self.mended_example
            .get_or_insert_with(|| beginning(message));
    }

    /// So many messages without output that held something in `field`, which is not
    /// known.
    pub fn unread(&mut self, field: &str, messages: u32) {
        self.unread_events = self.unread_events.saturating_add(messages);
        self.unread_field.get_or_insert_with(|| field.to_owned());
    }

    /// Whether the end marker has come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end_marker
    }

    /// The answer's text so far, and its tokens if the server counts them.
    #[must_use]
    pub fn answer(&self) -> (&str, Option<u32>) {
        (&self.text.joined, self.usage.output_tokens)
    }

    /// Prompt tokens, if the server counts them.
    #[must_use]
    pub fn input_tokens(&self) -> Option<u32> {
        self.usage.input_tokens
    }

    /// Output events so far.
    #[must_use]
    pub fn output_events(&self) -> usize {
        self.output_ns.len()
    }
}

/// Characters of an unreadable message that are kept.
const EXAMPLE_CHARS: usize = 80;

/// The beginning of a message, in one line that shows on a terminal as it is.
fn beginning(message: &[u8]) -> String {
    // No character has more than four bytes.
    let cut = &message[..message.len().min(4 * EXAMPLE_CHARS)];
    let text = String::from_utf8_lossy(cut);
    let plain = text.chars().take(EXAMPLE_CHARS);
    plain
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
