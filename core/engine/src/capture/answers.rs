//! What the answers on the wire say: read and decoded as those of a run are, by the
//! plugin of the backend that was under load at that moment.

use inferbench_model::config::Level;
use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::verify::wire::Trace;

use super::backends::{AskedBackend, Backends};
use super::starts::Starts;
use crate::http::{Head, ResponseReader};
use crate::load::body::Body;

/// Digits of a hash that stand for a text.
const TEXT_DIGITS: usize = 16;

/// Reads answers, and keeps the times of those that have ended.
#[derive(Debug)]
pub(super) struct Answers<'r> {
    backends: &'r Backends,
    starts: &'r Starts,
    /// By start of a backend.
    pub(super) traces: Vec<Vec<Trace>>,
}

/// An answer while it comes in.
pub(super) struct OpenAnswer {
    start: usize,
    /// The first byte of its request was sent.
    begun_ns: Option<u64>,
    exchange: Exchange,
    reader: ResponseReader,
    body: Body,
    broken: Option<StreamEnd>,
    /// The capture lacks a part of it.
    is_lost: bool,
    /// The capture lacks its request.
    is_alone: bool,
}

impl std::fmt::Debug for OpenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_lost = self.is_lost;
        f.debug_struct("OpenAnswer")
            .field("is_lost", &is_lost)
            .finish_non_exhaustive()
    }
}

impl<'r> Answers<'r> {
    pub(super) fn new(backends: &'r Backends, starts: &'r Starts) -> Self {
        Self {
            backends,
            starts,
            traces: starts.all.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// A request with this line has begun at `begun_ns`; `None` if it is none of a load.
    pub(super) fn open(&self, method: &str, path: &str, begun_ns: u64) -> Option<OpenAnswer> {
        let start = self.starts.at(begun_ns)?;
        let backend = self.backends.get(&self.starts.all[start].backend)?;
        let is_asked = backend.is_asked_by(method, path);
        let mut answer = is_asked.then(|| OpenAnswer::new(start, backend))??;
        answer.begun_ns = Some(begun_ns);
        Some(answer)
    }

    /// An answer has begun whose request the capture lacks: it may be one of a load.
    pub(super) fn open_alone(&self, at_ns: u64) -> Option<OpenAnswer> {
        let start = self.starts.at(at_ns)?;
        let backend = self.backends.get(&self.starts.all[start].backend)?;
        let mut answer = OpenAnswer::new(start, backend)?;
        answer.is_alone = true;
        Some(answer)
    }

    /// An answer has ended.
    pub(super) fn finish(&mut self, answer: OpenAnswer) {
        let (start, is_whole) = (answer.start, !answer.is_lost && !answer.is_alone);
        let begun_ns = answer.begun_ns;
        let record = answer.record();
        let mut trace = trace(&record, is_whole);
        trace.begun_ns = begun_ns;
        if trace.sent_ns.is_some() || trace.first_ns.is_some() {
            self.traces[start].push(trace);
        }
    }
}

impl OpenAnswer {
    fn new(start: usize, backend: &AskedBackend) -> Option<Self> {
        Some(Self {
            start,
            begun_ns: None,
            exchange: Exchange::default(),
            reader: ResponseReader::default(),
            body: Body::new(backend.framing, backend.decoder()?),
            broken: None,
            is_lost: false,
            is_alone: false,
        })
    }

    /// Whether no more can be learned of it.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The last byte of the request was sent.
    pub(super) fn sent(&mut self, at_ns: u64) {
        self.exchange.sent_ns = Some(at_ns);
    }

    /// The capture lacks a part of the request or of its answer.
    pub(super) fn lose(&mut self) {
        self.is_lost = true;
    }

    /// Takes bytes; whether the answer has ended.
    pub(super) fn take(&mut self, bytes: &[u8], at_ns: u64) -> bool {
        if self.is_lost || self.broken.is_some() {
            return false;
        }
        let had_head = self.reader.head().is_some();
        let mut data = Vec::new();
        let pushed = self
            .reader
            .push(bytes, &mut |part| data.extend_from_slice(part));
        if let Err(error) = pushed {
            self.broken = Some(broken(FailureReason::BadHttp, error.to_string()));
            return false;
        }
        let Some(head) = self.reader.head() else {
            return false;
        };
        self.exchange.http_status = Some(head.status);
        if head.is_good() {
            if !had_head && head.content_type.starts_with("application/json") {
                self.body.calls_itself_json();
            }
            let fed = self.body.feed(&mut self.exchange, &data, at_ns);
            self.broken = fed.err();
        }
        if self.reader.is_complete() {
            self.end(at_ns);
            return true;
        }
        false
    }

    /// The answer, whose connection has ended.
    pub(super) fn closed(mut self, at_ns: u64) -> Self {
        if self.reader.close() {
            self.end(at_ns);
        }
        self
    }

    /// The body has ended as HTTP says it should.
    fn end(&mut self, at_ns: u64) {
        let is_good = self.reader.head().is_some_and(Head::is_good);
        if is_good && !self.exchange.has_ended() && self.broken.is_none() {
            self.broken = self.body.finish(&mut self.exchange, at_ns).err();
        }
    }

    fn record(self) -> RequestRecord {
        let ended = self.reader.is_complete() || self.exchange.has_ended();
        let end = self.broken.unwrap_or_else(|| match ended {
            true => StreamEnd::Clean,
            false => broken(FailureReason::Truncated, String::new()),
        });
        let key = RequestKey {
            backend: String::new(),
            block: 0,
            level: Level::Concurrency(1),
            phase: Phase::Warmup,
            index: 0,
        };
        self.exchange.finish_record(key, &end, 0, false)
    }
}

fn broken(reason: FailureReason, message: String) -> StreamEnd {
    StreamEnd::Broken { reason, message }
}

/// What a record says of its times.
pub(super) fn trace(record: &RequestRecord, is_whole: bool) -> Trace {
    let digits = record.text_sha256.as_deref();
    let text = digits.and_then(|hash| u64::from_str_radix(hash.get(..TEXT_DIGITS)?, 16).ok());
    Trace {
        sent_ns: record.sent_ns,
        begun_ns: None,
        first_ns: record.first_output_ns,
        last_ns: record.last_output_ns,
        gaps_ms: record.itl_ms.iter().map(|gap| *gap as f32).collect(),
        text,
        early_ms: record.first_output_early_ms.unwrap_or(0.0),
        is_ok: record.is_ok(),
        is_whole,
    }
}
