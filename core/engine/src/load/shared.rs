//! One cell under load: what its requests share, and the channels that carry
//! them to the backend.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::config::LoadConfig;
use inferbench_model::facts::cell_end::CellPlan;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::plan::shard::Shard;
use inferbench_model::plan::trace_times::TraceTimes;
use tokio_util::sync::CancellationToken;

use super::carried;
use super::encoded::EncodedRequest;
use super::gate::Gate;
use super::in_process::EngineHub;
use super::outcome::{ExchangeOutcome, Timeouts};
use crate::http::{Connection, Target};

/// How requests reach a backend, or one of its replicas.
#[derive(Debug, Clone)]
pub enum Transport {
    Http(Target),
    /// Into an engine in this process.
    InProcess(Arc<EngineHub>),
}

/// One cell to be measured.
#[derive(Debug, Clone)]
pub struct CellLoad {
    pub key: CellKey,
    /// The load section of the config.
    pub load: LoadConfig,
    pub arrivals_seed: u64,
    /// Times of the rows that prompts come from, where they are replayed.
    pub trace: Option<TraceTimes>,
    /// Keep the text of answers.
    pub keep_text: bool,
    /// The part of it that this process offers.
    pub shard: Shard,
    /// When it begins, if that is agreed with others; else as soon as all is ready.
    pub gate: Option<Arc<dyn Gate>>,
}

impl CellLoad {
    /// Requests to measure; `None` if only time ends the cell.
    #[must_use]
    pub fn requests(&self) -> Option<u64> {
        let all = self.load.requests_at(self.key.level)?;
        Some(self.shard.measured(self.load.warmup_requests, all))
    }

    /// Requests before those.
    #[must_use]
    pub fn warmups(&self) -> u64 {
        self.shard.warmups(self.load.warmup_requests)
    }

    /// What it is to do.
    #[must_use]
    pub fn plan(&self) -> CellPlan<'_> {
        CellPlan {
            load: &self.load,
            level: self.key.level,
            arrivals_seed: self.arrivals_seed,
            trace: self.trace.as_ref(),
            shard: self.shard,
        }
    }
}

/// Counts that others may read while a cell runs.
#[derive(Debug, Default)]
pub struct Progress {
    pub sent: AtomicU64,
    /// Measured requests that have ended.
    pub measured: AtomicU64,
    /// Requests that have ended, of any phase.
    pub ended: AtomicU64,
    /// Requests that failed.
    pub failed: AtomicU64,
    /// Output events of requests that have ended.
    pub output_events: AtomicU64,
}

/// Where the records of a cell go.
pub type RecordSink = Box<dyn FnMut(RequestRecord) + Send>;

/// What the requests of a cell to one server share, on all its threads.
pub(super) struct Shared {
    pub(super) cell: CellLoad,
    pub(super) transport: Transport,
    /// Where requests are addressed when they are made, and which replica this is; absent
    /// if there is one server.
    pub(super) replica: Option<Replica>,
    pub(super) timeouts: Timeouts,
    pub(super) sink: Arc<Mutex<RecordSink>>,
    pub(super) progress: Arc<Progress>,
    pub(super) cancel: CancellationToken,
}

/// One of several servers among which requests are spread.
pub(super) struct Replica {
    /// Its place, from 0.
    pub(super) place: u32,
    /// The server that requests are made for.
    pub(super) made_for: Target,
}

/// A channel to the backend, which carries one request at a time.
pub(super) enum Channel {
    Http(Option<Connection>),
    InProcess,
}

impl Channel {
    /// Whether it can carry another request without being opened again, as far
    /// as is known.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self, Self::Http(None))
    }

    /// Whether the next request is the first that it carries.
    pub(super) fn is_new(&self) -> bool {
        match self {
            Self::Http(Some(connection)) => connection.carried_ns().is_none(),
            Self::Http(None) => true,
            Self::InProcess => false,
        }
    }
}

/// What a record says of its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) ok: bool,
    pub(super) sent: bool,
}

impl Shared {
    /// A channel that is not open: the request that needs it opens it.
    pub(super) fn new_channel(&self) -> Channel {
        match self.transport {
            Transport::InProcess(_) => Channel::InProcess,
            Transport::Http(_) => Channel::Http(None),
        }
    }

    /// Whether the server keeps connections between requests, as far as is known.
    pub(super) fn keeps_connections(&self) -> bool {
        match &self.transport {
            Transport::InProcess(_) => true,
            Transport::Http(target) => target.keeps_connections(),
        }
    }

    /// The channel as it is, or closed if it can carry no other request.
    pub(super) fn looked_after(&self, channel: Channel) -> Channel {
        match (channel, &self.transport) {
            (Channel::Http(kept), Transport::Http(target)) => {
                Channel::Http(carried::usable(kept, target))
            }
            (channel, _) => channel,
        }
    }

    /// The request as it goes to this server.
    pub(super) fn addressed(&self, mut request: EncodedRequest) -> EncodedRequest {
        if let (Some(replica), Transport::Http(target)) = (&self.replica, &self.transport)
            && replica.place > 0
            && let Some(wire) = &mut request.wire
        {
            let (method, path) = &wire.line;
            target.readdress(&mut wire.bytes, &replica.made_for, (method, path));
        }
        request
    }

    /// Notes that a request begins, and gives its key.
    pub(super) fn begins(&self, phase: Phase, index: u64) -> RequestKey {
        self.progress.sent.fetch_add(1, Ordering::Relaxed);
        RequestKey {
            backend: self.cell.key.backend.clone(),
            block: self.cell.key.block,
            level: self.cell.key.level,
            phase,
            index,
        }
    }

    /// Leaves the record of a request that has ended.
    pub(super) fn keep(&self, key: RequestKey, outcome: ExchangeOutcome) -> Kept {
        let phase = key.phase;
        let events = outcome.exchange.output_events() as u64;
        let mut record =
            outcome
                .exchange
                .finish_record(key, &outcome.end, outcome.end_ns, self.cell.keep_text);
        record.replica = self.replica.as_ref().map(|replica| replica.place);
        let (ok, sent) = (record.is_ok(), record.sent_ns.is_some());
        let progress = &self.progress;
        progress.output_events.fetch_add(events, Ordering::Relaxed);
        progress.ended.fetch_add(1, Ordering::Relaxed);
        progress.failed.fetch_add(u64::from(!ok), Ordering::Relaxed);
        let measured = u64::from(phase == Phase::Measured);
        progress.measured.fetch_add(measured, Ordering::Relaxed);
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink(record);
        Kept { ok, sent }
    }
}
