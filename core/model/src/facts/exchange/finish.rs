//! From the log of an exchange that has ended to its record.

use sha2::{Digest, Sha256};

use super::{Exchange, OutputKind, StreamEnd, hex};
use crate::facts::failure_reason::FailureReason;
use crate::facts::finish_reason::Finish;
use crate::facts::record::{Phase, RequestKey, RequestRecord, Status, TokenSource};
use crate::facts::text_marks::TextMarks;
use crate::text::units::ms_between;

/// Tokens without any text beside those that have some: ends, and special ones.
const COUNT_SLACK: u64 = 64;

impl Exchange {
    /// The finished record. `keep_text`: keep the answer's text and not only its hash.
    #[must_use]
    pub fn finish_record(
        mut self,
        key: RequestKey,
        end: &StreamEnd,
        end_ns: u64,
        keep_text: bool,
    ) -> RequestRecord {
        self.drop_repeated_whole();
        let failure = self.failure(end);
        let first = self.output_ns.first().copied();
        let last = self.output_ns.last().copied();
        let since = |from: Option<u64>, to: Option<u64>| Some(ms_between(from?, to?));
        let text = self.text.joined.as_str();
        let marks = (failure.is_none() && key.phase == Phase::Measured && !text.is_empty())
            .then(|| TextMarks::from_text(text));
        let hash = (!text.is_empty()).then(|| hex(&Sha256::digest(text.as_bytes())));
        let output_tokens = self.output_tokens();
        let mut record = RequestRecord {
            backend: key.backend,
            block: key.block,
            level: key.level,
            phase: key.phase,
            index: key.index,
            replica: None,
            status: if failure.is_some() {
                Status::Failed
            } else {
                Status::Ok
            },
            http_status: self.http_status,
            class: self.asked.class.as_deref().map(str::to_owned),
            session: self.asked.turn.map(|turn| turn.session),
            turn: self.asked.turn.map(|turn| turn.turn),
            turn_of_tool: self.asked.turn.is_some_and(|turn| turn.of_tool),
            turn_lag_ms: since(self.asked.turn.and_then(|turn| turn.due_ns), self.sent_ns),
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
            tpot_ms: None,
            e2e_latency_ms: since(self.sent_ns, last),
            e2e_from_schedule_ms: since(self.scheduled_ns, last),
            decode_ms_per_token: None,
            decode_is_estimated: false,
            asked_input_tokens: self.asked.input_tokens,
            asked_output_tokens: self.asked.output_tokens,
            repeated_tokens: self.asked.repeated_tokens,
            input_tokens: self.usage.input_tokens,
            output_tokens,
            cached_tokens: self.cached_tokens(),
            reasoning_tokens: self.usage.reasoning_tokens,
            image_tokens: self.usage.image_tokens,
            request_bytes: self.request_bytes,
            token_source: output_tokens.map(|_| TokenSource::Usage),
            itl_ms: self.gaps_ms(),
            tokens_per_event: self.counts.per_event(),
            tokens_without_output: self.counts.without_output().unwrap_or(0),
            read_delay_ms: self.reads.delay_ms(),
            events_sharing_a_read: self.reads.sharing(self.output_ns.len()),
            events_stamped_late: self.reads.largest_delay_ns.map(|_| self.reads.late),
            first_output_early_ms: self
                .reads
                .first_shared_span_ns
                .map(|span_ns| ms_between(0, span_ns)),
            malformed_events: self.malformed_events,
            malformed_example: self.malformed_example,
            mended_events: self.mended_events,
            mended_example: self.mended_example,
            token_id_events: self.token_id_events,
            unread_events: self.unread_events,
            unread_field: self.unread_field,
            text_sha256: hash,
            text_chars: marks.as_ref().map(TextMarks::chars),
            text_marks: marks.map(TextMarks::into_digits),
            text: keep_text.then_some(self.text.joined),
            reasoning_text: (keep_text && self.reasoning.number > 0)
                .then_some(self.reasoning.joined),
            finish_reason: self.finish_reason,
            reason: failure
                .as_ref()
                .map(|(reason, _)| reason.word().into_owned()),
            message: failure.and_then(|(_, message)| message),
        };
        record.tpot_ms = record.tpot_from_times_ms();
        if let Some((decode_ms, is_estimated)) = record.decode_from_times_ms() {
            record.decode_ms_per_token = Some(decode_ms);
            record.decode_is_estimated = is_estimated;
        }
        record
    }

    /// A last piece that repeats the whole answer is no output: some gateways send it.
    fn drop_repeated_whole(&mut self) {
        // One message may repeat both.
        for _ in 0..2 {
            let repeats = match self.kinds.last() {
                Some(OutputKind::Text) => self.text.drop_repeated_whole(),
                Some(OutputKind::Reasoning) => self.reasoning.drop_repeated_whole(),
                _ => false,
            };
            if !repeats {
                return;
            }
            self.kinds.pop();
            self.output_ns.pop();
            self.counts.pop_event();
        }
    }

    /// Tokens of the answer as the server counts them, unless its count cannot be: more
    /// than was asked for, and more than the answer has bytes.
    fn output_tokens(&self) -> Option<u32> {
        let tokens = self.counts.total(self.usage.output_tokens)?;
        let hidden = self.usage.reasoning_tokens.unwrap_or(0);
        let most = u64::from(self.asked.output_tokens)
            .max(self.output_bytes + u64::from(hidden))
            .saturating_add(COUNT_SLACK);
        (u64::from(tokens) <= most).then_some(tokens)
    }

    /// Cached prompt tokens, unless they are more than the prompt has.
    fn cached_tokens(&self) -> Option<u32> {
        let prompt = self.usage.input_tokens.unwrap_or(u32::MAX);
        self.usage.cached_tokens.filter(|cached| *cached <= prompt)
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
        if let Some(Finish::BrokenOff(reason)) = finish.map(Finish::from_reason) {
            let message = finish.map(|finish| format!("finish reason `{finish}`"));
            return Some((reason, message));
        }
        if !self.end_marker && finish.is_none() {
            let message = "the answer ended without a finish reason and without an end marker";
            return Some((FailureReason::Truncated, Some(message.to_owned())));
        }
        None
    }

    fn gaps_ms(&self) -> Vec<f64> {
        let pairs = self.output_ns.windows(2);
        pairs.map(|pair| ms_between(pair[0], pair[1])).collect()
    }
}
