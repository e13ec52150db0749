//! One request over one connection: send, stamp, frame, decode, in that order.

use std::io;
use std::pin::pin;
use std::time::Duration;

use inferbench_model::exchange::{Asked, Exchange, StreamEnd};
use inferbench_model::reason::FailureReason;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::events::{Decoded, decoded};
use inferbench_plugin_api::{Framing, Message, PluginError, RequestSpec};
use tokio_util::sync::CancellationToken;

use super::limits::{Limits, Reached};
use super::self_check::ReadStats;
use crate::clock;
use crate::http::{Connection, Framer, Head, OpenError, ResponseReader, Target};

/// How long a body may take to end after its end marker before the connection
/// is given up instead of being used again.
const AFTER_MARKER: Duration = Duration::from_millis(50);
/// Bytes of an error answer that are kept.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// Characters of an error answer that are shown.
const ERROR_TEXT_CHARS: usize = 500;

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the start of sending to the end.
    pub total: Duration,
    /// Longest silence.
    pub idle: Option<Duration>,
}

/// A request that is ready to be sent: nothing is left to do but to write it.
#[derive(Debug)]
pub struct Prepared {
    /// Index in the cell.
    pub index: u64,
    /// What is asked.
    pub asked: Asked,
    /// The request, as an in-process engine takes it.
    pub spec: RequestSpec,
    /// The request, as it goes over a socket; absent for an in-process engine.
    pub wire: Option<Wire>,
}

/// A request in its HTTP form, with the decoder of its answer.
#[derive(Debug)]
pub struct Wire {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// Framing of the answer.
    pub framing: Framing,
    /// Decoder of the answer.
    pub decoder: DecoderClient,
}

/// What came of one request.
#[derive(Debug)]
pub struct Outcome {
    /// The log.
    pub exchange: Exchange,
    /// How it ended.
    pub end: StreamEnd,
    /// When it ended, ns.
    pub end_ns: u64,
    /// How its reads went.
    pub reads: ReadStats,
}

/// Takes the events that one message gave, all of the same arrival.
pub(super) fn take_events(buffer: &EventBuf, t_ns: u64, exchange: &mut Exchange) {
    for event in decoded(buffer) {
        match event {
            Decoded::Output(kind, text, tokens) => exchange.output(t_ns, kind, text, tokens),
            Decoded::Usage(usage) => exchange.usage(usage),
            Decoded::Finish(reason) => exchange.finish(reason),
            Decoded::Error(message) => exchange.error(message),
            Decoded::End => exchange.end_marker(),
            Decoded::Malformed => exchange.malformed(),
        }
    }
}

/// Sends one request over the connection in `slot`, opening it first if there
/// is none that can be used, and reads its answer. Afterwards `slot` holds the
/// connection only if it can carry another request.
pub async fn run(
    slot: &mut Option<Connection>,
    target: &Target,
    wire: Wire,
    mut exchange: Exchange,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> Outcome {
    if slot.as_mut().is_some_and(Connection::is_stale) {
        *slot = None;
    }
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => match open(target, timeouts.total, cancel).await {
            Some(Ok(connection)) => {
                exchange.connect_ms = Some(connection.connect_ms);
                connection
            }
            Some(Err(error)) => return not_sent(exchange, target, &error),
            None => return interrupted_unsent(exchange),
        },
    };
    let bytes = wire.bytes;
    let mut answer = Answer {
        exchange,
        reader: ResponseReader::default(),
        framer: Framer::new(wire.framing),
        decoder: wire.decoder,
        events: EventBuf::default(),
        error_body: Vec::new(),
        reads: ReadStats::default(),
    };
    let (end, end_ns) = tokio::select! {
        biased;
        ended = answer.exchange_over(&mut connection, bytes, timeouts) => ended,
        () = cancel.cancelled() => (interrupted(), clock::now_ns()),
    };
    if end == StreamEnd::Clean && answer.reader.can_reuse() {
        *slot = Some(connection);
    }
    answer.outcome(end, end_ns)
}

/// Opens a connection; `None` if the run was interrupted before it was open.
pub(super) async fn open(
    target: &Target,
    limit: Duration,
    cancel: &CancellationToken,
) -> Option<Result<Connection, OpenError>> {
    tokio::select! {
        biased;
        opened = Connection::open(target, limit) => Some(opened),
        () = cancel.cancelled() => None,
    }
}

fn broken(reason: FailureReason, message: impl Into<String>) -> StreamEnd {
    StreamEnd::Broken {
        reason,
        message: message.into(),
    }
}

fn interrupted() -> StreamEnd {
    broken(FailureReason::Interrupted, "the run was interrupted")
}

fn interrupted_unsent(exchange: Exchange) -> Outcome {
    Outcome {
        exchange,
        end: interrupted(),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}

fn not_sent(exchange: Exchange, target: &Target, error: &OpenError) -> Outcome {
    let reason = match error {
        OpenError::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            FailureReason::ConnectionRefused
        }
        OpenError::TimedOut { .. } => FailureReason::ConnectTimeout,
        OpenError::OutOfPorts => FailureReason::ClientOutOfPorts,
        OpenError::OutOfFiles { .. } => FailureReason::ClientOutOfFiles,
        _ => FailureReason::ConnectError,
    };
    Outcome {
        exchange,
        end: broken(
            reason,
            format!("connecting to {}: {error}", target.address_text()),
        ),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}

struct Answer {
    exchange: Exchange,
    reader: ResponseReader,
    framer: Framer,
    decoder: DecoderClient,
    events: EventBuf,
    error_body: Vec<u8>,
    reads: ReadStats,
}

impl Answer {
    async fn exchange_over(
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
                Ok(Some((_, stamp))) if limits.heard(stamp.arrival_ns) => {
                    Some((self.out_of_time(Reached::Total), stamp.arrival_ns))
                }
                Ok(Some((bytes, stamp))) => {
                    self.exchange
                        .read_began(stamp.arrival_ns, stamp.returned_ns);
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

    /// Takes the bytes of one read; tells the end if they hold it.
    fn take(&mut self, bytes: &[u8], t_ns: u64) -> Option<(StreamEnd, u64)> {
        let Self {
            exchange,
            reader,
            framer,
            decoder,
            events,
            error_body,
            ..
        } = self;
        let had_head = reader.head().is_some();
        let mut body = Vec::new();
        let mut failed = None;
        let mut good = reader.head().map(|head| head.status == 200);
        if !had_head || good == Some(false) {
            // The head may be in this read: what follows it is judged by it.
            let pushed = reader.push(bytes, &mut |data| body.extend_from_slice(data));
            if let Err(error) = pushed {
                return Some((broken(FailureReason::BadHttp, error.to_string()), t_ns));
            }
            let head = reader.head()?;
            exchange.http_status = Some(head.status);
            good = Some(head.status == 200);
            // Lines of JSON are sent under that type too, so only a stream of
            // events is known not to be one.
            let is_json = head.content_type.starts_with("application/json");
            if !had_head && is_json && matches!(framer, Framer::Sse(_)) {
                *framer = Framer::new(Framing::Body);
            }
            if good == Some(false) {
                let room = ERROR_BODY_BYTES.saturating_sub(error_body.len());
                error_body.extend(body.iter().take(room));
            } else {
                failed = feed(framer, decoder, events, exchange, &body, t_ns).err();
            }
        } else {
            let pushed = reader.push(bytes, &mut |data| {
                if failed.is_none() {
                    failed = feed(framer, decoder, events, exchange, data, t_ns).err();
                }
            });
            if let Err(error) = pushed {
                return Some((broken(FailureReason::BadHttp, error.to_string()), t_ns));
            }
        }
        if let Some(end) = failed {
            return Some((end, t_ns));
        }
        if exchange.has_ended() {
            return Some((StreamEnd::Clean, t_ns));
        }
        reader.is_complete().then(|| (self.finish(t_ns), t_ns))
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

    /// The body has ended as HTTP says it should.
    fn finish(&mut self, t_ns: u64) -> StreamEnd {
        if self.exchange.http_status != Some(200) {
            return StreamEnd::Clean;
        }
        let Self {
            framer,
            decoder,
            events,
            exchange,
            ..
        } = self;
        let mut failed = None;
        framer.finish(&mut |message| {
            if failed.is_none() {
                failed = decode(decoder, events, exchange, message, t_ns).err();
            }
        });
        events.clear();
        let finished = decoder.finish(events);
        take_events(events, t_ns, exchange);
        match (failed, finished) {
            (Some(end), _) => end,
            (None, Err(error)) => decoder_failed(error),
            (None, Ok(())) => StreamEnd::Clean,
        }
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
                    if !bytes.is_empty() && !limits.heard(stamp.arrival_ns) =>
                {
                    if self.reader.push(&bytes, &mut |_| ()).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    fn outcome(mut self, end: StreamEnd, end_ns: u64) -> Outcome {
        if let Some(head) = self.reader.head().filter(|head| head.status != 200) {
            let words = error_words(head, &self.error_body);
            self.exchange.error(&words);
        }
        Outcome {
            exchange: self.exchange,
            end,
            end_ns,
            reads: self.reads,
        }
    }
}

fn feed(
    framer: &mut Framer,
    decoder: &mut DecoderClient,
    events: &mut EventBuf,
    exchange: &mut Exchange,
    data: &[u8],
    t_ns: u64,
) -> Result<(), StreamEnd> {
    let mut failed = None;
    let pushed = framer.push(data, &mut |message| {
        // What follows an end marker is no part of the answer.
        if failed.is_none() && !exchange.has_ended() {
            failed = decode(decoder, events, exchange, message, t_ns).err();
        }
    });
    match (failed, pushed) {
        (Some(end), _) => Err(end),
        (None, Err(error)) => Err(broken(FailureReason::MessageTooLong, error.to_string())),
        (None, Ok(())) => Ok(()),
    }
}

fn decode(
    decoder: &mut DecoderClient,
    events: &mut EventBuf,
    exchange: &mut Exchange,
    message: Message<'_>,
    t_ns: u64,
) -> Result<(), StreamEnd> {
    events.clear();
    let fed = decoder.feed(message, events);
    take_events(events, t_ns, exchange);
    fed.map_err(decoder_failed)
}

fn decoder_failed(error: PluginError) -> StreamEnd {
    let reason = if error.panicked {
        FailureReason::PluginPanicked
    } else {
        FailureReason::DecoderError
    };
    broken(reason, error.message)
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

/// What an error answer says, in one line: the JSON error's message if it is
/// one, else the beginning of its text.
fn error_words(head: &Head, body: &[u8]) -> String {
    if let Some(location) = &head.location {
        return format!("the server redirects to {location}, which is not followed");
    }
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let told = json.as_ref().and_then(|json| {
        ["/error/message", "/message", "/detail", "/error"]
            .iter()
            .find_map(|path| json.pointer(path)?.as_str())
    });
    let line = told.unwrap_or(&text).replace(['\r', '\n'], " ");
    let mut words: String = line.trim().chars().take(ERROR_TEXT_CHARS).collect();
    if let Some(seconds) = head.retry_after_s {
        let gap = if words.is_empty() { "" } else { " " };
        words.push_str(&format!(
            "{gap}(the server asks to retry after {seconds} s)"
        ));
    }
    words
}

/// The outcome of a request that has no wire form for a socket.
pub(super) fn unsendable(exchange: Exchange) -> Outcome {
    Outcome {
        exchange,
        end: broken(FailureReason::NotEncoded, "the plugin gave no HTTP request"),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}
