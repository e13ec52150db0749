//! The requests that a loop has under way, and when each is to be looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::record::{Phase, RequestKey};
use slab::Slab;

use super::carried::{Carried, Step};
use super::encoded::{self, EncodedRequest};
use super::in_process::Submitted;
use super::mailbox::Mailbox;
use super::outcome::ExchangeOutcome;
use super::shared::{Channel, Shared, Transport};

/// A request to be sent.
pub(super) struct Order {
    pub(super) request: EncodedRequest,
    pub(super) phase: Phase,
    /// When it was planned to be sent, ns.
    pub(super) scheduled_ns: Option<u64>,
    /// The offer's own number for it.
    pub(super) number: u64,
}

/// A request under way.
pub(super) struct Entry {
    pub(super) key: RequestKey,
    /// The offer's own number for it.
    pub(super) number: u64,
    pub(super) work: Work,
    /// The conversation that goes on after its answer.
    pub(super) continues: Option<u64>,
    /// The loop waits for its socket.
    pub(super) registered: bool,
    /// It is among those that may have more to read now.
    pub(super) has_more: bool,
    /// When it is looked at if nothing happens, ns.
    due_ns: u64,
}

/// What carries a request.
#[expect(
    clippy::large_enum_variant,
    reason = "the requests of a cell are all of one kind"
)]
pub(super) enum Work {
    Http(Carried),
    Engine(Submitted),
    /// It cannot be sent.
    Unsendable(Box<ExchangeOutcome>),
}

impl Work {
    fn begin(
        shared: &Shared,
        mailbox: &Arc<Mailbox>,
        request: EncodedRequest,
        exchange: Exchange,
        channel: Channel,
    ) -> (Self, Step) {
        let timeouts = shared.timeouts;
        match (&shared.transport, channel, request.wire) {
            (Transport::Http(target), Channel::Http(kept), Some(wire)) => {
                let (carried, step) = Carried::begin(kept, target, wire, exchange, timeouts);
                (Self::Http(carried), step)
            }
            (Transport::InProcess(hub), _, _) => {
                let (submitted, step) = hub.begin(&request.spec, exchange, timeouts, mailbox);
                (Self::Engine(submitted), step)
            }
            (Transport::Http(_), _, _) => {
                let outcome = Box::new(encoded::unsendable(exchange));
                (Self::Unsendable(outcome), Step::Ended)
            }
        }
    }

    /// When its time is up next, ns.
    fn due_ns(&self) -> u64 {
        match self {
            Self::Http(carried) => carried.due_ns(),
            Self::Engine(submitted) => submitted.due_ns(),
            Self::Unsendable(_) => u64::MAX,
        }
    }

    /// Its time may be up.
    pub(super) fn due(&mut self, now_ns: u64) -> Step {
        match self {
            Self::Http(carried) => carried.due(now_ns),
            Self::Engine(submitted) => submitted.due(now_ns),
            Self::Unsendable(_) => Step::Ended,
        }
    }

    /// The run is interrupted.
    pub(super) fn interrupt(&mut self) -> Step {
        match self {
            Self::Http(carried) => carried.interrupt(),
            Self::Engine(submitted) => submitted.interrupt(),
            Self::Unsendable(_) => Step::Ended,
        }
    }
}

/// The requests under way, each with a token.
#[derive(Default)]
pub(super) struct UnderWay {
    entries: Slab<Entry>,
    due: BTreeSet<(u64, usize)>,
    by_engine_id: HashMap<u64, usize>,
}

impl UnderWay {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Begins a request over `channel`; gives its token and what it needs next.
    pub(super) fn begin(
        &mut self,
        shared: &Shared,
        mailbox: &Arc<Mailbox>,
        order: Order,
        channel: Channel,
    ) -> (usize, Step) {
        let mut exchange = Exchange::default();
        exchange.scheduled_ns = order.scheduled_ns;
        exchange.asked = order.request.asked.clone();
        let key = shared.begins(order.phase, order.request.index);
        let continues = order.request.continues;
        let (work, step) = Work::begin(shared, mailbox, order.request, exchange, channel);
        let engine_id = match &work {
            Work::Engine(submitted) => Some(submitted.id()),
            _ => None,
        };
        let token = self.entries.insert(Entry {
            key,
            number: order.number,
            work,
            continues,
            registered: false,
            has_more: false,
            due_ns: u64::MAX,
        });
        if let Some(id) = engine_id {
            self.by_engine_id.insert(id, token);
        }
        (token, step)
    }

    pub(super) fn get_mut(&mut self, token: usize) -> Option<&mut Entry> {
        self.entries.get_mut(token)
    }

    /// The request that has this number at an engine in this process.
    pub(super) fn at_engine(&mut self, id: u64) -> Option<(usize, &mut Submitted)> {
        let token = self.by_engine_id.get(&id).copied()?;
        match &mut self.entries.get_mut(token)?.work {
            Work::Engine(submitted) => Some((token, submitted)),
            _ => None,
        }
    }

    /// The tokens of all.
    pub(super) fn tokens(&self) -> Vec<usize> {
        self.entries.iter().map(|(token, _)| token).collect()
    }

    /// Sets when a request is looked at if nothing happens, unless that is earlier
    /// already.
    pub(super) fn arm(&mut self, token: usize) {
        let Some(entry) = self.entries.get_mut(token) else {
            return;
        };
        let due_ns = entry.work.due_ns();
        if due_ns < entry.due_ns {
            self.due.remove(&(entry.due_ns, token));
            entry.due_ns = due_ns;
            self.due.insert((due_ns, token));
        }
    }

    /// A request is not to be looked at for its time.
    pub(super) fn disarm(&mut self, token: usize) {
        if let Some(entry) = self.entries.get_mut(token) {
            self.due.remove(&(entry.due_ns, token));
            entry.due_ns = u64::MAX;
        }
    }

    /// A request whose time is to be looked at now; it is disarmed.
    pub(super) fn next_due(&mut self, now_ns: u64) -> Option<usize> {
        let (due_ns, token) = self.due.first().copied()?;
        if due_ns > now_ns {
            return None;
        }
        self.disarm(token);
        Some(token)
    }

    /// Takes a request out.
    pub(super) fn remove(&mut self, token: usize) -> Option<Entry> {
        self.disarm(token);
        let entry = self.entries.try_remove(token)?;
        if let Work::Engine(submitted) = &entry.work {
            self.by_engine_id.remove(&submitted.id());
        }
        Some(entry)
    }
}
