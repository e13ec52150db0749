//! The connections of an open loop. The schedule is known ahead: each planned send
//! takes one shortly before its time, a free one if there is one, else one that is
//! opened for it. So none is open that carries no request, and none is waited for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use inferbench_model::text::units::NS_PER_MS;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::channel::{Channel, Shared};
use crate::os::clock;

/// Shortest time before its send at which a connection is opened. One on the same
/// machine is open after a tenth of a millisecond; the rest is for a client that is
/// busy meanwhile.
const LEAST_LEAD_NS: u64 = 20_000_000;
/// Longest such time.
const MOST_LEAD_NS: u64 = 1_000_000_000;
/// Time after which a free connection is closed in any case, since the server may
/// close it: the shortest limit that servers have is 2 s (gunicorn), the usual one
/// 5 s (uvicorn, Node, Apache, llama.cpp).
const MOST_IDLE_NS: u64 = 500_000_000;

/// What a request on a new connection may take beyond the usual, ns, before it is
/// taken for one that waits for a place at the server.
const PATIENCE_NS: u64 = 20_000_000;
/// Shortest time between two connections that are closed before that, ns: each
/// leaves a local port behind for a minute.
const CLOSE_EVERY_NS: u64 = 20_000_000;

/// The connections of one cell.
pub(super) struct Connections {
    shared: Rc<Shared>,
    /// Free ones with the time since when, the one that was used last at the end.
    idle: RefCell<VecDeque<(Channel, u64)>>,
    opening: Cell<Estimate>,
    /// How long requests take.
    request: Cell<Estimate>,
    /// When the requests began that are under way on new connections, by number.
    on_new: RefCell<BTreeMap<u64, u64>>,
    requests: Cell<u64>,
    closed_ns: Cell<u64>,
    /// No send is planned that has none.
    all_taken: Cell<bool>,
}

/// A request that is under way.
pub(super) struct UnderWay {
    number: u64,
    since_ns: u64,
    on_new: bool,
}

/// What a planned send has taken.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each request in flight, and nothing is allocated before a send"
)]
pub(super) enum Taken {
    Open(Channel),
    Opening(oneshot::Receiver<Channel>),
}

impl Connections {
    pub(super) fn new(shared: &Rc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            shared: Rc::clone(shared),
            idle: RefCell::default(),
            opening: Cell::default(),
            request: Cell::default(),
            on_new: RefCell::default(),
            requests: Cell::default(),
            closed_ns: Cell::default(),
            all_taken: Cell::new(false),
        })
    }

    /// How long before its time a planned send takes its connection, ns.
    pub(super) fn lead_ns(&self) -> u64 {
        let opening_ns = self.opening.get().nearly_all_ns().unwrap_or(0);
        (opening_ns + NS_PER_MS as u64).clamp(LEAST_LEAD_NS, MOST_LEAD_NS)
    }

    /// A connection for a planned send: a free one, or one that is being opened.
    pub(super) fn take(self: &Rc<Self>) -> Taken {
        let without = self.shared.new_channel();
        if without.is_usable() {
            return Taken::Open(without);
        }
        if let Some(free) = self.take_idle() {
            return Taken::Open(free);
        }
        let (give, opened) = oneshot::channel();
        let connections = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let began_ns = clock::now_ns();
            let channel = connections.shared.open().await;
            let took_ns = clock::now_ns().saturating_sub(began_ns);
            let known = connections.opening.get();
            connections.opening.set(known.and(took_ns));
            // The send may have found another one meanwhile.
            if let Err(unwanted) = give.send(channel) {
                connections.give_back(unwanted);
            }
        });
        Taken::Opening(opened)
    }

    /// The free connection that was used last, of those that are still good.
    fn take_idle(&self) -> Option<Channel> {
        loop {
            let (channel, _) = self.idle.borrow_mut().pop_back()?;
            let channel = self.shared.looked_after(channel);
            if channel.is_usable() {
                return Some(channel);
            }
        }
    }

    /// The connection of a send whose time has come. One that is not open yet is
    /// waited for, unless another has become free.
    pub(super) async fn claim(&self, taken: Taken) -> Channel {
        let mut opening = match taken {
            Taken::Open(channel) => return channel,
            Taken::Opening(opening) => opening,
        };
        match opening.try_recv() {
            Ok(channel) => return channel,
            Err(TryRecvError::Closed) => return self.shared.new_channel(),
            Err(TryRecvError::Empty) => {}
        }
        if let Some(free) = self.take_idle() {
            return free;
        }
        let opened = opening.await;
        opened.unwrap_or_else(|_| self.shared.new_channel())
    }

    /// A request begins over `channel`.
    pub(super) fn begin(&self, channel: &Channel) -> UnderWay {
        let under_way = UnderWay {
            number: self.requests.replace(self.requests.get() + 1),
            since_ns: clock::now_ns(),
            on_new: channel.is_new(),
        };
        if under_way.on_new {
            let mut on_new = self.on_new.borrow_mut();
            on_new.insert(under_way.number, under_way.since_ns);
        }
        under_way
    }

    /// A request has ended, and needs its connection no more.
    pub(super) fn end(&self, under_way: &UnderWay, channel: Channel) {
        let now_ns = clock::now_ns();
        let took_ns = now_ns.saturating_sub(under_way.since_ns);
        self.on_new.borrow_mut().remove(&under_way.number);
        // What waited for a place says nothing of what is usual.
        if !(under_way.on_new && self.is_unusual(took_ns)) {
            self.request.set(self.request.get().and(took_ns));
        }
        self.give_back(channel);
    }

    fn is_unusual(&self, took_ns: u64) -> bool {
        let usual_ns = self.request.get().nearly_all_ns();
        usual_ns.is_some_and(|usual_ns| took_ns > usual_ns + PATIENCE_NS)
    }

    /// Whether a request on a new connection takes longer than is usual: it may be
    /// waiting for the place at the server that a free connection holds.
    fn one_waits(&self, now_ns: u64) -> bool {
        let oldest_ns = self.on_new.borrow().values().next().copied();
        oldest_ns.is_some_and(|since_ns| self.is_unusual(now_ns.saturating_sub(since_ns)))
    }

    /// Whether a connection may be closed now that could still be used.
    fn may_close(&self, now_ns: u64) -> bool {
        let may = now_ns >= self.closed_ns.get() + CLOSE_EVERY_NS;
        if may {
            self.closed_ns.set(now_ns);
        }
        may
    }

    /// Takes back a connection that no request needs any more.
    fn give_back(&self, channel: Channel) {
        let is_wanted = !self.all_taken.get() && self.shared.keeps_connections();
        let now_ns = clock::now_ns();
        if !is_wanted || !channel.is_usable() {
            return;
        }
        if !(self.one_waits(now_ns) && self.may_close(now_ns)) {
            self.idle.borrow_mut().push_back((channel, now_ns));
        }
    }

    /// Closes those that have been free for too long, and now and then one that no
    /// send will take soon, or that another request may be waiting for: it may hold
    /// a thread of the server, or a place under a limit.
    pub(super) fn close_idle(&self, now_ns: u64) {
        let mut idle = self.idle.borrow_mut();
        let oldest_ns = idle.front().map(|(_, since_ns)| *since_ns);
        let is_left = |since_ns| now_ns >= since_ns + self.lead_ns() || self.one_waits(now_ns);
        if oldest_ns.is_some_and(is_left) && self.may_close(now_ns) {
            idle.pop_front();
        }
        let is_old = |(_, since_ns): &(Channel, u64)| since_ns + MOST_IDLE_NS <= now_ns;
        while idle.front().is_some_and(is_old) {
            idle.pop_front();
        }
    }

    /// Every planned send has taken its own: the others are closed.
    pub(super) fn close_others(&self) {
        self.all_taken.set(true);
        self.idle.borrow_mut().clear();
    }
}

/// Waits until what was taken is open, or could not be opened, for at most
/// `limit` in all.
pub(super) async fn opened(taken: impl Iterator<Item = &mut Taken>, limit: Duration) {
    let all = async {
        for one in taken {
            if let Taken::Opening(opening) = one
                && let Ok(channel) = opening.await
            {
                *one = Taken::Open(channel);
            }
        }
    };
    // What takes longer is waited for by its own send.
    drop(tokio::time::timeout(limit, all).await);
}

/// How long something takes: the mean and how much single ones differ from it, as
/// TCP estimates a round trip (RFC 6298, section 2).
#[derive(Debug, Clone, Copy, Default)]
struct Estimate {
    known: Option<(f64, f64)>,
}

impl Estimate {
    /// The estimate with one more.
    fn and(self, took_ns: u64) -> Self {
        let took = took_ns as f64;
        let known = match self.known {
            None => (took, took / 2.0),
            Some((mean, spread)) => {
                let off = took - mean;
                (mean + off / 8.0, spread + (off.abs() - spread) / 4.0)
            }
        };
        Self { known: Some(known) }
    }

    /// What nearly all take no longer than; `None` before the first.
    fn nearly_all_ns(self) -> Option<u64> {
        let (mean, spread) = self.known?;
        Some((mean + 4.0 * spread) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn after(took_ms: &[u64]) -> Option<u64> {
        let none = Estimate::default();
        let all = took_ms.iter().fold(none, |known, ms| known.and(ms * MS));
        all.nearly_all_ns()
    }

    #[test]
    fn an_estimate_follows_what_was_seen_and_how_it_scatters() {
        assert_eq!(after(&[]), None);
        // 40 + 4 x 20.
        assert_eq!(after(&[40]), Some(120 * MS));
        // The mean stays, the spread falls by a quarter: 40 + 4 x 15.
        assert_eq!(after(&[40, 40]), Some(100 * MS));
        // 48 ms off: mean 46, spread 20 + (48 - 20) / 4 = 27.
        assert_eq!(after(&[40, 88]), Some(154 * MS));
    }
}
