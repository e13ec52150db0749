//! Requests into an engine that runs inside this process: its events come
//! from its own threads, stamped with the host's clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::RequestSpec;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::{EngineClient, HostSink, SharedSink};

use super::body::take_events;
use super::carried::{Step, interrupted};
use super::limits::{Limits, Reached};
use super::mailbox::{Mail, Mailbox};
use super::outcome::{ExchangeOutcome, Timeouts, broken};
use super::self_check::ReadStats;
use crate::os::clock;

/// An engine and the requests that wait for its events.
#[derive(Debug)]
pub struct EngineHub {
    engine: EngineClient,
    sink: SharedSink,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u64, Arc<Mailbox>>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<u64, Arc<Mailbox>>) -> T) -> T {
        // The map is whole even if a thread died while it held the lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Sink(Arc<Waiting>);

impl HostSink for Sink {
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn push(&self, id: u64, t_ns: u64, buffer: &EventBuf) -> bool {
        let events = EventBuf {
            events: buffer.events.clone(),
            text: buffer.text.clone(),
        };
        // An engine cannot know the future.
        let t_ns = t_ns.min(clock::now_ns());
        let mailbox = self.0.with(|map| map.get(&id).cloned());
        let wanted = mailbox.is_some();
        if let Some(mailbox) = mailbox {
            mailbox.put(Mail::Events { id, t_ns, events });
        }
        wanted
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

    /// Submits a request, whose events go to `mailbox`.
    pub(super) fn begin(
        self: &Arc<Self>,
        spec: &RequestSpec,
        mut exchange: Exchange,
        timeouts: Timeouts,
        mailbox: &Arc<Mailbox>,
    ) -> (Submitted, Step) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.waiting.with(|map| map.insert(id, Arc::clone(mailbox)));
        // Before the call: an engine may answer from inside it.
        let sent_ns = clock::now_ns();
        exchange.sent_ns = Some(sent_ns);
        let refused = self.engine.submit(id, spec, &self.sink).err();
        let end = refused.map(|error| {
            let end = broken(FailureReason::Refused, error.message);
            (end, clock::now_ns())
        });
        let step = match end {
            Some(_) => Step::Ended,
            None => Step::Waits,
        };
        let submitted = Submitted {
            id,
            hub: Arc::clone(self),
            exchange,
            limits: Limits::new(timeouts, sent_ns),
            end,
        };
        (submitted, step)
    }
}

/// A request that an engine works on.
pub(super) struct Submitted {
    id: u64,
    hub: Arc<EngineHub>,
    exchange: Exchange,
    limits: Limits,
    end: Option<(StreamEnd, u64)>,
}

impl Submitted {
    /// Its number at the engine.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Events have come for it.
    pub(super) fn take(&mut self, events: &EventBuf, t_ns: u64) -> Step {
        if self.limits.note_bytes(t_ns) {
            return self.due(t_ns);
        }
        take_events(events, &[], t_ns, &mut self.exchange);
        if self.exchange.has_ended() {
            return self.ends(StreamEnd::Clean, t_ns);
        }
        Step::Waits
    }

    /// When its time is up next, ns.
    pub(super) fn due_ns(&self) -> u64 {
        self.limits.due_ns()
    }

    /// Its time may be up.
    pub(super) fn due(&mut self, now_ns: u64) -> Step {
        let end = match self.limits.reached(now_ns) {
            None => return Step::Waits,
            Some(Reached::Idle) => broken(
                FailureReason::ReadTimeout,
                "the engine was silent for load.idle_timeout",
            ),
            Some(Reached::Total) => broken(
                FailureReason::Timeout,
                "the request took longer than load.timeout",
            ),
        };
        self.ends(end, now_ns)
    }

    /// The run is interrupted.
    pub(super) fn interrupt(&mut self) -> Step {
        self.ends(interrupted(), clock::now_ns())
    }

    fn ends(&mut self, end: StreamEnd, end_ns: u64) -> Step {
        self.end.get_or_insert((end, end_ns));
        Step::Ended
    }

    /// Its outcome. An engine that still works on it has to stop.
    pub(super) fn finish(mut self) -> ExchangeOutcome {
        self.hub.waiting.with(|map| map.remove(&self.id));
        let ended = self.end.take();
        let (end, end_ns) = ended.unwrap_or_else(|| (interrupted(), clock::now_ns()));
        if end != StreamEnd::Clean {
            self.hub.engine.cancel(self.id);
        }
        // There is no HTTP here; the engine took the request.
        self.exchange.http_status = None;
        ExchangeOutcome {
            exchange: self.exchange,
            end,
            end_ns,
            reads: ReadStats::default(),
        }
    }
}
