//! Reads one answer: from stamped bytes to head, body and end. What a message of
//! the body means is for the decoder.

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::{Framing, json};

use super::body::Body;
use super::limits::Reached;
use super::outcome::{ExchangeOutcome, broken};
use super::self_check::ReadStats;
use crate::http::response::HttpError;
use crate::http::{Head, ReadStamp, ResponseReader};

/// Bytes of an error answer that are kept.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// Characters of an error answer that are shown.
const ERROR_TEXT_CHARS: usize = 500;

/// One answer while it comes in.
pub(super) struct Answer {
    exchange: Exchange,
    reader: ResponseReader,
    body: Body,
    error_body: Vec<u8>,
    reads: ReadStats,
}

impl Answer {
    pub(super) fn new(exchange: Exchange, framing: Framing, decoder: DecoderClient) -> Self {
        Self {
            exchange,
            reader: ResponseReader::default(),
            body: Body::new(framing, decoder),
            error_body: Vec::new(),
            reads: ReadStats::default(),
        }
    }

    /// Whether the connection can carry another request.
    pub(super) fn can_reuse(&self) -> bool {
        self.reader.can_reuse()
    }

    /// Whether its body has come to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    /// The request is sent over a connection that took `connect_ms` to open, if that
    /// is new; `again` if it was sent before and no byte had come.
    pub(super) fn begins(&mut self, connect_ms: Option<f64>, again: bool) {
        self.exchange.connect_ms = connect_ms;
        self.exchange.resent = again;
        self.exchange.sent_ns = None;
    }

    /// The last byte of the request was handed to the socket, ns.
    pub(super) fn note_sent(&mut self, sent_ns: Option<u64>) {
        self.exchange.sent_ns = self.exchange.sent_ns.or(sent_ns);
    }

    /// The request was not sent after all.
    pub(super) fn was_not_sent(&mut self) {
        self.exchange.sent_ns = None;
    }

    /// Takes what one read gave, nothing being the peer's end; `late` if the whole
    /// request has taken too long. `first_ns` knows since when its first bytes can have
    /// been there. Gives how and when it ended if it did.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        stamp: ReadStamp,
        (was_cut, late): (bool, bool),
        first_ns: impl FnOnce() -> Option<u64>,
    ) -> Option<(StreamEnd, u64)> {
        if late {
            return Some((self.out_of_time(Reached::Total), stamp.arrival_ns));
        }
        // Nothing of the answer came before the request was sent.
        let empty_ns = self.exchange.sent_ns.unwrap_or(0).max(stamp.empty_ns);
        self.exchange
            .read_began(empty_ns, stamp.arrival_ns, stamp.returned_ns);
        if bytes.is_empty() {
            return Some(self.closed(was_cut, stamp.arrival_ns));
        }
        self.reads.note(stamp);
        let ended = self.take(bytes, stamp.arrival_ns);
        let has_part = self.body.has_part();
        self.exchange.read_ended(has_part, first_ns);
        ended
    }

    /// Takes bytes of a body whose end marker has come; whether there is no sense in
    /// waiting for more.
    pub(super) fn drain(&mut self, bytes: &[u8]) -> bool {
        self.reader.push(bytes, &mut |_| ()).is_err() || self.reader.is_complete()
    }

    /// Takes the bytes of one read; gives the end if they hold it.
    fn take(&mut self, bytes: &[u8], t_ns: u64) -> Option<(StreamEnd, u64)> {
        let is_good = self.reader.head().is_some_and(Head::is_good);
        let taken = if is_good {
            self.take_body(bytes, t_ns)
        } else {
            self.take_head(bytes, t_ns)
        };
        if let Err(end) = taken {
            return Some((end, t_ns));
        }
        if self.exchange.has_ended() {
            return Some((StreamEnd::Clean, t_ns));
        }
        let is_complete = self.reader.is_complete();
        is_complete.then(|| (self.finish(t_ns), t_ns))
    }

    /// Takes body bytes of a good answer: from the read buffer to the decoder
    /// without a copy.
    fn take_body(&mut self, bytes: &[u8], t_ns: u64) -> Result<(), StreamEnd> {
        let Self { reader, body, .. } = self;
        let mut fed = Ok(());
        let pushed = reader.push(bytes, &mut |data| {
            if fed.is_ok() {
                fed = body.feed(&mut self.exchange, data, t_ns);
            }
        });
        pushed.map_err(bad_http)?;
        fed
    }

    /// Takes bytes that may hold the head, or belong to an answer that is not
    /// good: what follows a head is judged by it.
    fn take_head(&mut self, bytes: &[u8], t_ns: u64) -> Result<(), StreamEnd> {
        let had_head = self.reader.head().is_some();
        let mut data = Vec::new();
        let pushed = self
            .reader
            .push(bytes, &mut |part| data.extend_from_slice(part));
        pushed.map_err(bad_http)?;
        let Some(head) = self.reader.head() else {
            return Ok(());
        };
        self.exchange.http_status = Some(head.status);
        if head.is_good() {
            if !had_head && head.content_type.starts_with("application/json") {
                self.body.calls_itself_json();
            }
            return self.body.feed(&mut self.exchange, &data, t_ns);
        }
        let room = ERROR_BODY_BYTES.saturating_sub(self.error_body.len());
        self.error_body.extend(data.iter().take(room));
        Ok(())
    }

    /// How it ends when its time is up.
    pub(super) fn out_of_time(&self, reached: Reached) -> StreamEnd {
        let (reason, words) = match reached {
            _ if self.exchange.sent_ns.is_none() => (
                FailureReason::Timeout,
                "the request could not be written within its limits",
            ),
            Reached::Total => (
                FailureReason::Timeout,
                "the request took longer than load.timeout",
            ),
            Reached::Idle => (
                FailureReason::ReadTimeout,
                "the server was silent for load.idle_timeout",
            ),
        };
        broken(reason, words)
    }

    /// The peer has closed the connection.
    fn closed(&mut self, cut: bool, t_ns: u64) -> (StreamEnd, u64) {
        if !cut && self.reader.close() {
            return (self.finish(t_ns), t_ns);
        }
        let end = if self.reader.head().is_none() {
            broken(
                FailureReason::ConnectionClosed,
                "the server closed the connection without an answer",
            )
        } else {
            broken(
                FailureReason::Truncated,
                "the server closed the connection inside the answer",
            )
        };
        (end, t_ns)
    }

    /// The answer has ended as HTTP says it should.
    fn finish(&mut self, t_ns: u64) -> StreamEnd {
        if !self.reader.head().is_some_and(Head::is_good) {
            return StreamEnd::Clean;
        }
        if self.body.is_empty() {
            let words = "the server answered 200 without a body";
            return broken(FailureReason::NoBody, words);
        }
        if let Err(end) = self.body.finish(&mut self.exchange, t_ns) {
            return end;
        }
        let head = self.reader.head();
        let is_page = head.is_some_and(|head| head.content_type.starts_with("text/html"));
        if is_page && self.exchange.output_events() == 0 {
            let words = "the server answered 200 with a web page (text/html)";
            return broken(FailureReason::Truncated, words);
        }
        StreamEnd::Clean
    }

    /// Its outcome.
    pub(super) fn outcome(mut self, end: StreamEnd, end_ns: u64) -> ExchangeOutcome {
        if let Some(head) = self.reader.head().filter(|head| !head.is_good()) {
            let words = error_words(head, &self.error_body);
            self.exchange.error(&words);
        }
        ExchangeOutcome {
            exchange: self.exchange,
            end,
            end_ns,
            reads: self.reads,
        }
    }
}

fn bad_http(error: HttpError) -> StreamEnd {
    broken(FailureReason::BadHttp, error.to_string())
}

/// The message of an error answer, in one line: the JSON error's message if it is
/// one, else the beginning of its text.
fn error_words(head: &Head, body: &[u8]) -> String {
    if let Some(location) = &head.location {
        return format!("the server redirects to {location}, which is not followed");
    }
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = json::read(body).ok();
    let message = json.as_ref().and_then(|json| {
        ["/error/message", "/message", "/detail", "/error"]
            .iter()
            .find_map(|path| json.pointer(path)?.as_str())
    });
    let line = message.unwrap_or(&text).replace(['\r', '\n'], " ");
    let mut words: String = line.trim().chars().take(ERROR_TEXT_CHARS).collect();
    if let Some(seconds) = head.retry_after_s {
        let gap = if words.is_empty() { "" } else { " " };
        words.push_str(&format!(
            "{gap}(the server asks to retry after {seconds} s)"
        ));
    }
    words
}
