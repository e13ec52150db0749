//! The connections of an open loop. The schedule is known ahead: each planned send
//! takes one shortly before its time, a free one if there is one, else one that is
//! opened for it. So none is open that carries no request, and none is waited for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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
const LEAST_LEAD_NS: u64 = 50_000_000;
/// Longest such time.
const MOST_LEAD_NS: u64 = 1_000_000_000;
/// Time after which a free connection is closed. It may hold a thread of the
/// server, and the server may close it: the shortest limit that servers have is
/// 2 s (gunicorn), the usual one 5 s (uvicorn, Node, Apache, llama.cpp).
const MOST_IDLE_NS: u64 = 500_000_000;

/// The connections of one cell.
pub(super) struct Connections {
    shared: Rc<Shared>,
    /// Free ones with the time since when, the one that was used last at the end.
    idle: RefCell<VecDeque<(Channel, u64)>>,
    opening: Cell<OpeningTime>,
    /// No send is planned that has none.
    all_taken: Cell<bool>,
}

/// What a planned send has taken.
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
            all_taken: Cell::new(false),
        })
    }

    /// How long before its time a planned send takes its connection, ns.
    pub(super) fn lead_ns(&self) -> u64 {
        self.opening.get().lead_ns()
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

    /// Takes back a connection that no request needs any more.
    pub(super) fn give_back(&self, channel: Channel) {
        let is_wanted = !self.all_taken.get() && self.shared.keeps_connections();
        if is_wanted && channel.is_usable() {
            let now_ns = clock::now_ns();
            self.idle.borrow_mut().push_back((channel, now_ns));
        }
    }

    /// Closes those that have been free for too long.
    pub(super) fn close_idle(&self, now_ns: u64) {
        let mut idle = self.idle.borrow_mut();
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

/// How long it takes to open a connection: the mean and how much single ones
/// differ from it, as TCP estimates a round trip (RFC 6298, section 2).
#[derive(Debug, Clone, Copy, Default)]
struct OpeningTime {
    known: Option<(f64, f64)>,
}

impl OpeningTime {
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

    /// Time in which nearly every one is open.
    fn lead_ns(self) -> u64 {
        let (mean, spread) = self.known.unwrap_or_default();
        let wanted = mean + 4.0 * spread + NS_PER_MS;
        (wanted as u64).clamp(LEAST_LEAD_NS, MOST_LEAD_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn after(opened_ms: &[u64]) -> OpeningTime {
        let none = OpeningTime::default();
        opened_ms.iter().fold(none, |time, ms| time.and(ms * MS))
    }

    #[test]
    fn the_lead_is_some_tens_of_milliseconds_at_least_and_a_second_at_most() {
        assert_eq!(OpeningTime::default().lead_ns(), 50 * MS);
        assert_eq!(after(&[1, 1, 1]).lead_ns(), 50 * MS);
        assert_eq!(after(&[900]).lead_ns(), 1000 * MS);
    }

    #[test]
    fn the_lead_follows_the_time_that_opening_takes() {
        // 40 + 4 x 20, and 1 ms for the timer's grain.
        assert_eq!(after(&[40]).lead_ns(), 121 * MS);
        // The mean stays, the spread falls by a quarter: 40 + 4 x 15.
        assert_eq!(after(&[40, 40]).lead_ns(), 101 * MS);
        // 48 ms off: mean 46, spread 20 + (48 - 20) / 4 = 27.
        assert_eq!(after(&[40, 88]).lead_ns(), 155 * MS);
    }
}
