//! Requests into an engine that runs inside this process: its events come
//! from its own threads, stamped with the host's clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::RequestSpec;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::{EngineClient, HostSink, SharedSink};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::take_events;
use super::outcome::{ExchangeOutcome, Timeouts, broken};
use super::self_check::ReadStats;
use crate::os::clock;

type Stamped = (u64, EventBuf);

/// An engine and the requests that wait for its events.
#[derive(Debug)]
pub struct EngineHub {
    engine: EngineClient,
    sink: SharedSink,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u64, UnboundedSender<Stamped>>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<u64, UnboundedSender<Stamped>>) -> T) -> T {
        // The map is whole even if a thread died while it held the lock.
        let mut map = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        act(&mut map)
    }
}

struct Sink(Arc<Waiting>);

impl HostSink for Sink {
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn push(&self, id: u64, t_ns: u64, buffer: &EventBuf) -> bool {
        let copy = EventBuf {
            events: buffer.events.clone(),
            text: buffer.text.clone(),
        };
        // An engine cannot know the future.
        let t_ns = t_ns.min(clock::now_ns());
        let sender = self.0.with(|map| map.get(&id).cloned());
        sender.is_some_and(|sender| sender.send((t_ns, copy)).is_ok())
    }
}

impl EngineHub {
    /// A hub over an open engine.
    #[must_use]
    pub fn new(engine: EngineClient) -> Self {
        let waiting = Arc::new(Waiting::default());
        Self {
            engine,
            sink: SharedSink::new(Sink(Arc::clone(&waiting))),
            waiting,
            next_id: AtomicU64::new(0),
        }
    }

    /// Ends all of the engine's work.
    pub fn shutdown(&self) {
        self.engine.shutdown();
    }

    /// Carries one request through.
    pub(super) async fn run(
        &self,
        spec: &RequestSpec,
        mut exchange: Exchange,
        timeouts: Timeouts,
        cancel: &CancellationToken,
    ) -> ExchangeOutcome {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = unbounded_channel();
        self.waiting.with(|map| map.insert(id, sender));
        // Before the call: an engine may answer from inside it.
        exchange.sent_ns = Some(clock::now_ns());
        let submitted = self.engine.submit(id, spec, &self.sink);
        let (end, end_ns) = match submitted {
            Err(error) => (
                broken(FailureReason::Refused, error.message),
                clock::now_ns(),
            ),
            Ok(()) => tokio::select! {
                biased;
                ended = listen(receiver, &mut exchange, timeouts) => ended,
                () = cancel.cancelled() => (
                    broken(FailureReason::Interrupted, "the run was interrupted"),
                    clock::now_ns(),
                ),
            },
        };
        self.waiting.with(|map| map.remove(&id));
        if end != StreamEnd::Clean {
            self.engine.cancel(id);
        }
        // There is no HTTP here; the engine took the request.
        exchange.http_status = None;
        ExchangeOutcome {
            exchange,
            end,
            end_ns,
            reads: ReadStats::default(),
        }
    }
}

async fn listen(
    mut receiver: UnboundedReceiver<Stamped>,
    exchange: &mut Exchange,
    timeouts: Timeouts,
) -> (StreamEnd, u64) {
    let total = Instant::now() + timeouts.total;
    loop {
        let idle = timeouts.idle.map(|idle| Instant::now() + idle);
        let deadline = idle.map_or(total, |idle| idle.min(total));
        match tokio::time::timeout_at(deadline, receiver.recv()).await {
            Ok(Some((t_ns, events))) => {
                take_events(&events, &[], t_ns, exchange);
                if exchange.has_ended() {
                    return (StreamEnd::Clean, t_ns);
                }
            }
            Ok(None) => {
                return (
                    broken(FailureReason::EngineGone, "the engine dropped the request"),
                    clock::now_ns(),
                );
            }
            Err(_) if deadline < total => {
                let words = "the engine was silent for load.idle_timeout";
                return (broken(FailureReason::ReadTimeout, words), clock::now_ns());
            }
            Err(_) => {
                let words = "the request took longer than load.timeout";
                return (broken(FailureReason::Timeout, words), clock::now_ns());
            }
        }
    }
}
