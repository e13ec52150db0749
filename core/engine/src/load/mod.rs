//! The load: requests offered as the plan says, each answered with a record.
//! It runs on a thread of its own, so that nothing else delays it.

mod answer;
mod body;
mod closed_loop;
pub mod exchange;
mod in_process;
mod limits;
mod open_loop;
mod phases;
pub mod requests;
pub mod self_check;
pub mod tokenizer;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use inferbench_model::config::{Level, LoadConfig};
use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::plan::schedule::{Schedule, ScheduleError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::{Connection, Target};
use exchange::{Outcome, Prepared, Timeouts};
pub use in_process::EngineHub;
use self_check::{Delays, LagTimer, ReadStats, Watch};

/// Longest time in which no request becomes ready. Making one takes
/// milliseconds, so what takes longer does not come back.
pub(crate) const MAKE_LIMIT: Duration = Duration::from_secs(30);

/// A load that could not be offered.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The schedule cannot be made.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A request could not be made.
    #[error("request {index} cannot be made: {reason}")]
    Request {
        /// Its index in the cell.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The machine refuses what the load needs.
    #[error("the load cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The plugin or the tokenizer does not come back.
    #[error(
        "no request was ready within {limit_s} s: the plugin's `encode`, or the making of prompts, hangs; inferbench plugins check tells which"
    )]
    NotMade {
        /// How long the load waited, s.
        limit_s: f64,
    },
    /// The load thread is gone.
    #[error("the load thread ended without a result")]
    Lost,
}

/// Makes the requests of a cell, one after the other.
pub trait RequestSource: Send + 'static {
    /// The request with this index.
    ///
    /// # Errors
    /// Words on why it cannot be made.
    fn make(&mut self, index: u64) -> Result<Prepared, String>;
}

/// How requests reach the backend.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Over HTTP.
    Http(Target),
    /// Into an engine in this process.
    InProcess(Arc<EngineHub>),
}

/// One cell to be measured.
#[derive(Debug, Clone)]
pub struct CellLoad {
    /// Which cell.
    pub key: CellKey,
    /// The load section of the config.
    pub load: LoadConfig,
    /// Seed of the arrivals.
    pub arrivals_seed: u64,
    /// Keep the text of answers.
    pub keep_text: bool,
}

/// Counts that an onlooker may read while a cell runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Requests sent.
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

/// Offers the load of one cell and returns when its last request has ended.
/// Blocks: call it on a thread of its own.
///
/// # Errors
/// See [`LoadError`]. Failed requests are records, not errors.
pub fn run_cell(
    cell: &CellLoad,
    transport: &Transport,
    source: impl RequestSource,
    sink: RecordSink,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> Result<SelfCheck, LoadError> {
    crate::http::stamps::settle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let feed = Feed::start(source, feed_depth(cell));
    let shared = Rc::new(Shared {
        cell: cell.clone(),
        transport: transport.clone(),
        timeouts: Timeouts {
            total: cell.load.timeout.0,
            idle: cell.load.idle_timeout.map(|idle| idle.0),
        },
        sink: std::cell::RefCell::new(sink),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
        reads: std::cell::RefCell::default(),
    });
    let watch = Watch::start();
    let lags = Rc::new(std::cell::RefCell::new(Delays::default()));
    let ran = local.block_on(&runtime, async {
        if let Ok(timer) = LagTimer::start() {
            let lags = Rc::clone(&lags);
            tokio::task::spawn_local(async move { timer.watch(&lags).await });
        }
        match cell.key.level {
            Level::Concurrency(n) => closed_loop::run(&shared, feed, n).await,
            Level::RequestRate(rate) => {
                let schedule = Schedule::new(&cell.load, rate, cell.arrivals_seed)?;
                open_loop::run(&shared, feed, schedule).await
            }
        }
    });
    ran.map(|()| {
        let mut check = SelfCheck::default();
        watch.tell(&mut check);
        self_check::tell_lags(&lags.borrow(), &mut check);
        shared.reads.borrow().tell(&mut check);
        check
    })
}

/// Requests that are made ahead of time.
fn feed_depth(cell: &CellLoad) -> usize {
    match cell.key.level {
        Level::Concurrency(n) => 2 * n as usize + 64,
        Level::RequestRate(_) => 1024,
    }
}

/// Requests made ahead on a thread of their own, so that making them never
/// delays the load.
struct Feed {
    requests: mpsc::Receiver<Result<Prepared, LoadError>>,
    /// Longest time in which none becomes ready.
    limit: Duration,
}

impl Feed {
    fn start(mut source: impl RequestSource, depth: usize) -> Self {
        let (send, requests) = mpsc::channel(depth);
        std::thread::spawn(move || {
            for index in 0.. {
                let made = source
                    .make(index)
                    .map_err(|reason| LoadError::Request { index, reason });
                let stop = made.is_err();
                if send.blocking_send(made).is_err() || stop {
                    return;
                }
            }
        });
        Self {
            requests,
            limit: MAKE_LIMIT,
        }
    }

    /// Waits until `n` requests, or as many as fit, are ready, or none has
    /// become so for `limit`.
    async fn fill(&self, n: usize) {
        let wanted = n.min(self.requests.max_capacity());
        let (mut have, mut since) = (0, Instant::now());
        while self.requests.len() < wanted && !self.requests.is_closed() {
            if self.requests.len() > have {
                (have, since) = (self.requests.len(), Instant::now());
            } else if since.elapsed() >= self.limit {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn next(&mut self) -> Result<Prepared, LoadError> {
        let received = tokio::time::timeout(self.limit, self.requests.recv()).await;
        let limit_s = self.limit.as_secs_f64();
        let received = received.map_err(|_| LoadError::NotMade { limit_s })?;
        received.unwrap_or(Err(LoadError::Lost))
    }
}

/// What the requests of a cell share.
struct Shared {
    cell: CellLoad,
    transport: Transport,
    timeouts: Timeouts,
    sink: std::cell::RefCell<RecordSink>,
    progress: Arc<Progress>,
    cancel: CancellationToken,
    reads: std::cell::RefCell<ReadStats>,
}

/// A way to the backend that carries one request at a time.
enum Channel {
    Http(Option<Connection>),
    InProcess,
}

impl Channel {
    /// Whether it can carry another request without being opened again.
    fn is_usable(&self) -> bool {
        !matches!(self, Self::Http(None))
    }
}

impl Shared {
    /// A channel that is not open yet.
    fn new_channel(&self) -> (Channel, Option<f64>) {
        match self.transport {
            Transport::InProcess(_) => (Channel::InProcess, None),
            Transport::Http(_) => (Channel::Http(None), None),
        }
    }

    /// Opens a channel. A connection that cannot be opened is tried again by
    /// the request that needs it, which then fails with the reason.
    async fn open(&self) -> (Channel, Option<f64>) {
        match &self.transport {
            Transport::InProcess(_) => (Channel::InProcess, None),
            Transport::Http(target) => {
                let opened = exchange::open(target, self.timeouts.total, &self.cancel).await;
                let opened = opened.and_then(Result::ok);
                let connect_ms = opened.as_ref().map(|connection| connection.connect_ms);
                (Channel::Http(opened), connect_ms)
            }
        }
    }

    /// Carries one request through and leaves its record.
    async fn carry(
        &self,
        channel: &mut Channel,
        prepared: Prepared,
        phase: Phase,
        mut exchange: Exchange,
    ) -> bool {
        self.progress.sent.fetch_add(1, Ordering::Relaxed);
        exchange.asked = prepared.asked;
        let key = RequestKey {
            backend: self.cell.key.backend.clone(),
            block: self.cell.key.block,
            level: self.cell.key.level,
            phase,
            index: prepared.index,
        };
        let outcome = self.exchange(channel, prepared, exchange).await;
        self.reads.borrow_mut().add(&outcome.reads);
        let events = outcome.exchange.output_events() as u64;
        let record =
            outcome
                .exchange
                .finish_record(key, &outcome.end, outcome.end_ns, self.cell.keep_text);
        let (ok, sent) = (record.is_ok(), record.sent_ns.is_some());
        let progress = &self.progress;
        progress.output_events.fetch_add(events, Ordering::Relaxed);
        progress.ended.fetch_add(1, Ordering::Relaxed);
        progress.failed.fetch_add(u64::from(!ok), Ordering::Relaxed);
        let measured = u64::from(phase == Phase::Measured);
        progress.measured.fetch_add(measured, Ordering::Relaxed);
        (self.sink.borrow_mut())(record);
        sent
    }

    async fn exchange(
        &self,
        channel: &mut Channel,
        prepared: Prepared,
        exchange: Exchange,
    ) -> Outcome {
        let stop = &self.cancel;
        match (&self.transport, channel, prepared.wire) {
            (Transport::Http(target), Channel::Http(slot), Some(wire)) => {
                exchange::run(slot, target, wire, exchange, self.timeouts, stop).await
            }
            (Transport::InProcess(hub), _, _) => {
                hub.run(&prepared.spec, exchange, self.timeouts, stop).await
            }
            (Transport::Http(_), _, _) => exchange::unsendable(exchange),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hangs;

    impl RequestSource for Hangs {
        fn make(&mut self, _: u64) -> Result<Prepared, String> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn a_source_that_hangs_ends_the_load_with_words() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut feed = Feed::start(Hangs, 4);
        feed.limit = Duration::from_millis(50);
        let next = runtime.block_on(async {
            feed.fill(4).await;
            feed.next().await
        });
        let words = next.unwrap_err().to_string();
        assert!(
            words.starts_with("no request was ready within 0.05 s"),
            "{words}"
        );
    }
}
