//! Reads one answer: from stamped bytes to head, body and end. What a message of
//! the body means is for the decoder.

use std::io;
use std::pin::pin;
use std::time::Duration;

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::{Framing, json};

use super::body::Body;
use super::limits::{Limits, Reached};
use super::outcome::{ExchangeOutcome, Timeouts, broken};
use super::self_check::ReadStats;
use crate::http::response::HttpError;
use crate::http::{Connection, Head, ResponseReader};
use crate::os::clock;

/// How long a body may take to end after its end marker before the connection
/// is given up instead of being used again.
const AFTER_MARKER: Duration = Duration::from_millis(50);
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

    /// No byte has come, and the request is sent again over a connection that
    /// took `connect_ms` to open.
    pub(super) fn begins_again(&mut self, connect_ms: Option<f64>) {
        self.exchange.resent = true;
        self.exchange.connect_ms = connect_ms;
    }

    /// The exchange of a request that was not sent after all.
    pub(super) fn unsent(mut self) -> Exchange {
        self.exchange.sent_ns = None;
        self.exchange
    }

    /// Sends the request and reads its answer to the end: how and when it ended.
    pub(super) async fn exchange_over(
        &mut self,
        connection: &mut Connection,
        bytes: Vec<u8>,
        timeouts: Timeouts,
    ) -> (StreamEnd, u64) {
        let mut limits = Limits::new(timeouts, clock::now_ns());
        let mut timer = pin!(tokio::time::sleep_until(limits.deadline()));
        // The server may have answered, and closed, before it read it all.
        drop(connection.send(bytes));
        self.exchange.sent_ns = connection.sent_ns();
        loop {
            let read = connection.read(timer.as_mut()).await;
            if self.exchange.sent_ns.is_none() {
                self.exchange.sent_ns = connection.sent_ns();
            }
            let ended = match read {
                Ok(Some((_, stamp))) if limits.note_bytes(stamp.arrival_ns) => {
                    Some((self.out_of_time(Reached::Total), stamp.arrival_ns))
                }
                Ok(Some((bytes, stamp))) => {
                    // Nothing of the answer came before the request was sent.
                    let empty_ns = self.exchange.sent_ns.max(Some(stamp.empty_ns));
                    self.exchange.read_began(
                        empty_ns.unwrap_or(stamp.empty_ns),
                        stamp.arrival_ns,
                        stamp.returned_ns,
                    );
                    if bytes.is_empty() {
                        Some(self.closed(connection.was_cut(), stamp.arrival_ns))
                    } else {
                        self.reads.note(stamp);
                        self.take(&bytes, stamp.arrival_ns)
                    }
                }
                Ok(None) => {
                    let now_ns = clock::now_ns();
                    let reached = limits.reached(now_ns);
                    if reached.is_none() {
                        timer.as_mut().reset(limits.deadline());
                    }
                    reached.map(|reached| (self.out_of_time(reached), now_ns))
                }
                Err(error) => Some((socket_error(&error), clock::now_ns())),
            };
            if let Some((end, end_ns)) = ended {
                if end == StreamEnd::Clean && !self.reader.is_complete() {
                    self.drain(connection).await;
                }
                return (end, end_ns);
            }
        }
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

    fn out_of_time(&self, reached: Reached) -> StreamEnd {
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
        let finished = self.body.finish(&mut self.exchange, t_ns);
        finished.err().unwrap_or(StreamEnd::Clean)
    }

    /// Waits a moment for the rest of a body whose end marker has come, so that
    /// the connection can be used again.
    async fn drain(&mut self, connection: &mut Connection) {
        let timeouts = Timeouts {
            total: AFTER_MARKER,
            idle: None,
        };
        let mut limits = Limits::new(timeouts, clock::now_ns());
        let mut timer = pin!(tokio::time::sleep_until(limits.deadline()));
        while !self.reader.is_complete() {
            match connection.read(timer.as_mut()).await {
                Ok(Some((bytes, stamp)))
                    if !bytes.is_empty() && !limits.note_bytes(stamp.arrival_ns) =>
                {
                    if self.reader.push(&bytes, &mut |_| ()).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
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

fn socket_error(error: &io::Error) -> StreamEnd {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            FailureReason::ConnectionReset
        }
        io::ErrorKind::TimedOut => FailureReason::ConnectionTimeout,
        _ => FailureReason::SocketError,
    };
    broken(reason, error.to_string())
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
