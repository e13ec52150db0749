//! The connections of an open loop. The schedule is known ahead: each planned send
//! takes one shortly before its time, a free one if there is one, else one that is
//! opened for it. So none is open that carries no request, and none is waited for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use inferbench_model::text::units::NS_PER_MS;

use super::event_loop::{Ended, EventLoop};
use super::mailbox::Opened;
use super::shared::{Channel, Shared};
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

/// The connections of one thread's sends.
pub(super) struct Connections {
    shared: Arc<Shared>,
    /// Free ones with the time since when, the one that was used last at the end.
    idle: VecDeque<(Channel, u64)>,
    /// Those that were asked for and are not open yet, or wait for their sends.
    asked: HashMap<u64, Asked>,
    /// Number of the next one that is asked for.
    next_id: u64,
    opening: Estimate,
    /// How long requests take.
    request: Estimate,
    /// Requests under way, by number.
    under_way: BTreeMap<u64, UnderWay>,
    /// When the requests began that are under way on new connections, by number.
    on_new: BTreeMap<u64, u64>,
    requests: u64,
    closed_ns: u64,
    /// No send is planned that has none.
    all_taken: bool,
}

/// A request that is under way.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    since_ns: u64,
    on_new: bool,
}

/// A connection that was asked for.
enum Asked {
    /// It is being opened for a planned send.
    Opening,
    /// It is open, or could not be opened, and its send has not come.
    Open(Channel),
    /// The request with this number of the loop awaits it.
    Awaited(usize),
    /// Its send has found another.
    Unwanted,
}

/// What a planned send has taken.
pub(super) enum Taken {
    Open(Channel),
    /// A connection that was asked for, by its number.
    Asked(u64),
}

/// What a send that has come goes over.
pub(super) enum Claimed {
    Channel(Channel),
    /// A connection that is not open yet, by its number.
    NotOpen(u64),
}

impl Connections {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            idle: VecDeque::new(),
            asked: HashMap::new(),
            next_id: 0,
            opening: Estimate::default(),
            request: Estimate::default(),
            under_way: BTreeMap::new(),
            on_new: BTreeMap::new(),
            requests: 0,
            closed_ns: 0,
            all_taken: false,
        }
    }

    /// How long before its time a planned send takes its connection, ns.
    pub(super) fn lead_ns(&self) -> u64 {
        let opening_ns = self.opening.nearly_all_ns().unwrap_or(0);
        (opening_ns + NS_PER_MS as u64).clamp(LEAST_LEAD_NS, MOST_LEAD_NS)
    }

    /// A connection for a planned send: a free one, or one that is being opened.
    pub(super) fn take(&mut self, events: &EventLoop) -> Taken {
        let without = self.shared.new_channel();
        if without.is_usable() {
            return Taken::Open(without);
        }
        if let Some(free) = self.take_idle() {
            return Taken::Open(free);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, Asked::Opening);
        events.open(id);
        Taken::Asked(id)
    }

    /// The free connection that was used last, of those that are still good.
    fn take_idle(&mut self) -> Option<Channel> {
        loop {
            let (channel, _) = self.idle.pop_back()?;
            let channel = self.shared.looked_after(channel);
            if channel.is_usable() {
                return Some(channel);
            }
        }
    }

    /// Whether a connection is being opened for a planned send.
    pub(super) fn is_opening(&self) -> bool {
        self.asked
            .values()
            .any(|asked| matches!(asked, Asked::Opening))
    }

    /// A connection that was asked for is open, or could not be opened.
    pub(super) fn opened(&mut self, events: &mut EventLoop, opened: Opened) {
        self.opening = self.opening.and(opened.took_ns);
        match self.asked.remove(&opened.id) {
            Some(Asked::Awaited(token)) => events.give(token, opened.connection),
            Some(Asked::Opening) => {
                let channel = Channel::Http(opened.connection.ok());
                self.asked.insert(opened.id, Asked::Open(channel));
            }
            _ => self.give_back(Channel::Http(opened.connection.ok())),
        }
    }

    /// The connection of a send whose time has come. One that is not open yet is
    /// waited for, unless another has become free.
    pub(super) fn claim(&mut self, taken: Taken) -> Claimed {
        let id = match taken {
            Taken::Open(channel) => return Claimed::Channel(channel),
            Taken::Asked(id) => id,
        };
        match self.asked.remove(&id) {
            Some(Asked::Open(channel)) => return Claimed::Channel(channel),
            Some(Asked::Opening) => {}
            _ => return Claimed::Channel(self.shared.new_channel()),
        }
        match self.take_idle() {
            Some(free) => {
                self.asked.insert(id, Asked::Unwanted);
                Claimed::Channel(free)
            }
            None => Claimed::NotOpen(id),
        }
    }

    /// The request with this number of the loop awaits a connection.
    pub(super) fn awaits(&mut self, id: u64, token: usize) {
        self.asked.insert(id, Asked::Awaited(token));
    }

    /// A request begins over what it has claimed. Gives its number.
    pub(super) fn begin(&mut self, claimed: &Claimed) -> u64 {
        let number = self.requests;
        self.requests += 1;
        let under_way = UnderWay {
            since_ns: clock::now_ns(),
            on_new: match claimed {
                Claimed::Channel(channel) => channel.is_new(),
                Claimed::NotOpen(_) => true,
            },
        };
        self.under_way.insert(number, under_way);
        if under_way.on_new {
            self.on_new.insert(number, under_way.since_ns);
        }
        number
    }

    /// A request has ended, and needs its connection no more.
    pub(super) fn end(&mut self, ended: Ended) {
        let now_ns = clock::now_ns();
        if let Some(under_way) = self.under_way.remove(&ended.number) {
            let took_ns = now_ns.saturating_sub(under_way.since_ns);
            self.on_new.remove(&ended.number);
            // What waited for a place says nothing of what is usual.
            if !(under_way.on_new && self.is_unusual(took_ns)) {
                self.request = self.request.and(took_ns);
            }
        }
        self.give_back(ended.channel);
    }

    fn is_unusual(&self, took_ns: u64) -> bool {
        let usual_ns = self.request.nearly_all_ns();
        usual_ns.is_some_and(|usual_ns| took_ns > usual_ns + PATIENCE_NS)
    }

    /// Whether a request on a new connection takes longer than is usual: it may be
    /// waiting for the place at the server that a free connection holds.
    fn one_waits(&self, now_ns: u64) -> bool {
        let oldest_ns = self.on_new.values().next().copied();
        oldest_ns.is_some_and(|since_ns| self.is_unusual(now_ns.saturating_sub(since_ns)))
    }

    /// Whether a connection may be closed now that could still be used.
    fn may_close(&mut self, now_ns: u64) -> bool {
        let may = now_ns >= self.closed_ns + CLOSE_EVERY_NS;
        if may {
            self.closed_ns = now_ns;
        }
        may
    }

    /// Takes back a connection that no request needs any more.
    fn give_back(&mut self, channel: Channel) {
        let is_wanted = !self.all_taken && self.shared.keeps_connections();
        let now_ns = clock::now_ns();
        if !is_wanted || !channel.is_usable() {
            return;
        }
        if !(self.one_waits(now_ns) && self.may_close(now_ns)) {
            self.idle.push_back((channel, now_ns));
        }
    }

    /// Closes those that have been free for too long, and now and then one that no
    /// send will take soon, or that another request may be waiting for: it may hold
    /// a thread of the server, or a place under a limit.
    pub(super) fn close_idle(&mut self, now_ns: u64) {
        let oldest_ns = self.idle.front().map(|(_, since_ns)| *since_ns);
        let is_left = |since_ns| now_ns >= since_ns + self.lead_ns() || self.one_waits(now_ns);
        if oldest_ns.is_some_and(is_left) && self.may_close(now_ns) {
            self.idle.pop_front();
        }
        let is_old = |(_, since_ns): &(Channel, u64)| since_ns + MOST_IDLE_NS <= now_ns;
        while self.idle.front().is_some_and(is_old) {
            self.idle.pop_front();
        }
    }

    /// Every planned send has taken its own: the others are closed.
    pub(super) fn close_others(&mut self) {
        self.all_taken = true;
        self.idle.clear();
    }
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
