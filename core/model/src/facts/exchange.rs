//! From the stamped events of one exchange to its record: the definitions of
//! TTFT, TPOT, ITL and success, in one place. The caller stamps; nothing here
//! reads a clock.

pub use inferbench_contract::{OutputKind, Usage};
use sha2::{Digest, Sha256};

use crate::facts::failure_reason::FailureReason;
use crate::facts::record::{Phase, RequestKey, RequestRecord, Status, TokenSource};
use crate::facts::text_marks::TextMarks;
use crate::text::units::ms_between;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Prompt length, tokens.
    pub input_tokens: Option<u32>,
    /// Answer length, tokens.
    pub output_tokens: u32,
}

/// The growing log of one exchange.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// What was asked.
    pub asked: Asked,
    /// Planned send time of an open loop.
    pub scheduled_ns: Option<u64>,
    /// The last byte of the request entered the socket.
    pub sent_ns: Option<u64>,
    /// Time to open the connection, on its first use.
    pub connect_ms: Option<f64>,
    /// The request was sent twice: a kept connection ended before any answer.
    pub resent: bool,
    pub http_status: Option<u16>,
    output_ns: Vec<u64>,
    cumulative: Vec<Option<u32>>,
    first_content_ns: Option<u64>,
    text: String,
    reasoning: String,
    usage: Usage,
    finish_reason: Option<String>,
    error: Option<String>,
    end_marker: bool,
    malformed_events: u32,
    reads: Reads,
}

/// How the reads that carried output went.
#[derive(Debug, Clone, Default)]
struct Reads {
    /// Delay of the read whose events come now.
    current_delay_ns: Option<u64>,
    /// Output events of that read so far.
    current_events: u32,
    largest_delay_ns: Option<u64>,
    sharing: u32,
}

impl Reads {
    fn output(&mut self) {
        self.largest_delay_ns = self.largest_delay_ns.max(self.current_delay_ns);
        self.current_events += 1;
        self.sharing += match self.current_events {
            1 => 0,
            // The first of them turns out to share its read too.
            2 => 2,
            _ => 1,
        };
    }

    fn delay_ms(&self) -> Option<f64> {
        self.largest_delay_ns.map(|delay| ms_between(0, delay))
    }

    fn sharing(&self) -> Option<u32> {
        self.largest_delay_ns.map(|_| self.sharing)
    }
}

impl Exchange {
    /// A read has returned at `returned_ns` with bytes that arrived at
    /// `arrival_ns`; the events up to the next call are of these bytes.
    pub fn read_began(&mut self, arrival_ns: u64, returned_ns: u64) {
        self.reads.current_delay_ns = Some(returned_ns.saturating_sub(arrival_ns));
        self.reads.current_events = 0;
    }

    /// A piece of output that arrived at `t_ns`. Empty text is no output event;
    /// its token count still enters the next event's. `cumulative` is the
    /// server's count of tokens up to and with this event.
    pub fn output(&mut self, t_ns: u64, kind: OutputKind, text: &str, cumulative: Option<u32>) {
        if let Some(tokens) = cumulative {
            self.usage.output_tokens = self.usage.output_tokens.max(Some(tokens));
        }
        if text.is_empty() {
            return;
        }
        match kind {
            OutputKind::Text => {
                self.first_content_ns.get_or_insert(t_ns);
                self.text.push_str(text);
            }
            OutputKind::Reasoning => self.reasoning.push_str(text),
            OutputKind::ToolCall => {}
        }
        self.output_ns.push(t_ns);
        self.reads.output();
        self.cumulative.push(cumulative);
    }

    /// Token counts. The largest count of answer tokens wins; of the others, the
    /// last ones reported.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = Usage {
            input_tokens: usage.input_tokens.or(self.usage.input_tokens),
            output_tokens: usage.output_tokens.max(self.usage.output_tokens),
            cached_tokens: usage.cached_tokens.or(self.usage.cached_tokens),
            reasoning_tokens: usage.reasoning_tokens.or(self.usage.reasoning_tokens),
        };
    }

    /// The server's finish reason.
    pub fn finish(&mut self, reason: &str) {
        self.finish_reason = Some(reason.to_owned());
    }

    /// An error reported inside the answer; the first one is kept.
    pub fn error(&mut self, message: &str) {
        self.error.get_or_insert_with(|| message.to_owned());
    }

    pub fn end_marker(&mut self) {
        self.end_marker = true;
    }

    /// A message that could not be read and was skipped.
    pub fn malformed(&mut self) {
        self.malformed_events += 1;
    }

    /// Whether the end marker has come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end_marker
    }

    /// Output events so far.
    #[must_use]
    pub fn output_events(&self) -> usize {
        self.output_ns.len()
    }

    /// The finished record. `keep_text`: keep the answer's text and not only its hash.
    #[must_use]
    pub fn finish_record(
        self,
        key: RequestKey,
        end: &StreamEnd,
        end_ns: u64,
        keep_text: bool,
    ) -> RequestRecord {
        let failure = self.failure(end);
        let first = self.output_ns.first().copied();
        let last = self.output_ns.last().copied();
        let since = |from: Option<u64>, to: Option<u64>| Some(ms_between(from?, to?));
        let marks = (failure.is_none() && key.phase == Phase::Measured && !self.text.is_empty())
            .then(|| TextMarks::from_text(&self.text));
        let hash = (!self.text.is_empty()).then(|| hex(&Sha256::digest(self.text.as_bytes())));
        RequestRecord {
            backend: key.backend,
            block: key.block,
            level: key.level,
            phase: key.phase,
            index: key.index,
            status: if failure.is_some() {
                Status::Failed
            } else {
                Status::Ok
            },
            http_status: self.http_status,
            scheduled_ns: self.scheduled_ns,
            sent_ns: self.sent_ns,
            send_lag_ms: since(self.scheduled_ns, self.sent_ns),
            connect_ms: self.connect_ms,
            resent: self.resent,
            first_output_ns: first,
            first_content_ns: self.first_content_ns,
            last_output_ns: last,
            end_ns,
            ttft_ms: since(self.sent_ns, first),
            tpot_ms: self.tpot_ms(),
            e2e_latency_ms: since(self.sent_ns, last),
            e2e_from_schedule_ms: since(self.scheduled_ns, last),
            decode_ms_per_token: self.decode_ms_per_token(),
            asked_input_tokens: self.asked.input_tokens,
            asked_output_tokens: self.asked.output_tokens,
            input_tokens: self.usage.input_tokens,
            output_tokens: self.usage.output_tokens,
            cached_tokens: self.usage.cached_tokens,
            reasoning_tokens: self.usage.reasoning_tokens,
            token_source: self.usage.output_tokens.map(|_| TokenSource::Usage),
            itl_ms: self.gaps_ms(),
            tokens_per_event: self.tokens_per_event(),
            read_delay_ms: self.reads.delay_ms(),
            events_sharing_a_read: self.reads.sharing(),
            malformed_events: self.malformed_events,
            text_sha256: hash,
            text_chars: marks.as_ref().map(TextMarks::chars),
            text_marks: marks.map(TextMarks::into_digits),
            text: keep_text.then_some(self.text),
            reasoning_text: (keep_text && !self.reasoning.is_empty()).then_some(self.reasoning),
            finish_reason: self.finish_reason,
            reason: failure
                .as_ref()
                .map(|(reason, _)| reason.word().into_owned()),
            message: failure.and_then(|(_, message)| message),
        }
    }

    /// Why the exchange failed, with a message if there is one; `None` if it
    /// succeeded.
    fn failure(&self, end: &StreamEnd) -> Option<(FailureReason, Option<String>)> {
        if let Some(status) = self.http_status.filter(|status| *status != 200) {
            let message = self.error.clone();
            return Some((FailureReason::Http(status), message));
        }
        if let Some(message) = &self.error {
            return Some((FailureReason::InBandError, Some(message.clone())));
        }
        if let StreamEnd::Broken { reason, message } = end {
            return Some((*reason, Some(message.clone())));
        }
        let finish = self.finish_reason.as_deref();
        match finish {
            Some("abort") => return Some((FailureReason::FinishAbort, None)),
            Some("error") => return Some((FailureReason::FinishError, None)),
            _ => {}
        }
        if !self.end_marker && finish.is_none() {
            let message = "the answer ended without a finish reason and without an end marker";
            return Some((FailureReason::Truncated, Some(message.to_owned())));
        }
        None
    }

    fn tpot_ms(&self) -> Option<f64> {
        let tokens = self.usage.output_tokens.filter(|tokens| *tokens >= 2)?;
        let span = ms_between(*self.output_ns.first()?, *self.output_ns.last()?);
        Some(span / f64::from(tokens - 1))
    }

    fn decode_ms_per_token(&self) -> Option<f64> {
        let in_first = (*self.cumulative.first()?)?;
        let in_all = (*self.cumulative.last()?)?;
        let span = ms_between(*self.output_ns.first()?, *self.output_ns.last()?);
        (in_all > in_first).then(|| span / f64::from(in_all - in_first))
    }

    fn gaps_ms(&self) -> Vec<f64> {
        let pairs = self.output_ns.windows(2);
        pairs.map(|pair| ms_between(pair[0], pair[1])).collect()
    }

    fn tokens_per_event(&self) -> Option<Vec<u32>> {
        let mut before = 0;
        let mut tokens = Vec::with_capacity(self.cumulative.len());
        for count in &self.cumulative {
            let count = (*count)?;
            tokens.push(count.saturating_sub(before));
            // A count that goes back was reported before: it must not count twice.
            before = before.max(count);
        }
        (!tokens.is_empty()).then_some(tokens)
    }
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
