//! Open loop: requests sent at their planned times, whatever the server does.

use std::collections::VecDeque;
use std::iter::{Peekable, Skip, StepBy};
use std::sync::Arc;

use inferbench_model::facts::record::Phase;
use inferbench_model::plan::schedule::Schedule;
use inferbench_model::plan::sends::{PlannedSend, PlannedSends};

use super::connections::{Claimed, Connections, Taken};
use super::error::LoadError;
use super::event_loop::{Ended, EventLoop, Next, Offer};
use super::mailbox::Opened;
use super::places::Places;
use super::shared::Shared;
use super::supply::{Supplied, Supply};
use super::under_way::Order;
use crate::os::clock;

/// Time between the end of the preparations and the first planned send, ns.
pub(super) const HEAD_START_NS: u64 = 20_000_000;
/// How much sooner than its lead a send takes its connection, ns: what a look may be
/// late by.
const TAKE_SOONER_NS: u64 = 1_500_000;
/// Longest time between two looks at which free connections are to be closed, ns.
const LOOK_EVERY_NS: u64 = 20_000_000;
/// Longest wait for the connections of the first sends, ns.
const FIRST_OPEN_LIMIT_NS: u64 = 2_000_000_000;

/// Every so many of the sends of this process, from one on: those of one thread.
type OwnSends = Peekable<StepBy<Skip<StepBy<Skip<PlannedSends>>>>>;

/// The sends of one thread: the next ones have taken their connections.
pub(super) struct OpenLoop {
    supply: Arc<Supply>,
    places: Arc<Places>,
    queue: usize,
    connections: Connections,
    sends: OwnSends,
    taken: VecDeque<(PlannedSend, Taken)>,
    preparing: Preparing,
    /// The send that is due waits for a place.
    is_held: bool,
    /// When the last one that waited got it, ns: whatever was due before it waited too.
    held_until_ns: u64,
    /// When the schedule starts, ns.
    start_ns: u64,
}

/// What has been done before the load begins.
#[derive(Debug, Clone, Copy)]
enum Preparing {
    Nothing,
    /// The very first connections are being opened since then, ns.
    First(u64),
    /// So are those that come so soon that there would be no time later.
    Early(u64),
}

impl OpenLoop {
    /// The sends of thread `queue` of `threads`.
    pub(super) fn new(
        shared: &Arc<Shared>,
        (supply, places): (&Arc<Supply>, &Arc<Places>),
        schedule: Schedule,
        (queue, threads): (usize, usize),
    ) -> Self {
        let cell = &shared.cell;
        let sends = PlannedSends::new(&cell.load, cell.key.level, schedule);
        let sends = cell.shard.own(sends);
        Self {
            supply: Arc::clone(supply),
            places: Arc::clone(places),
            queue,
            connections: Connections::new(shared),
            sends: sends.skip(queue).step_by(threads).peekable(),
            taken: VecDeque::new(),
            preparing: Preparing::Nothing,
            is_held: false,
            held_until_ns: 0,
            start_ns: 0,
        }
    }

    /// Sets when the schedule starts, ns.
    pub(super) fn starts_at(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// Lets every send up to `offset_ns` after the start take its connection, but no more
    /// of them than there are free places.
    fn take_until(&mut self, events: &EventLoop, offset_ns: u64) {
        while self.has_room()
            && let Some(send) = self.sends.next_if(|send| send.offset_ns <= offset_ns)
        {
            self.taken.push_back((send, self.connections.take(events)));
        }
    }

    fn has_room(&self) -> bool {
        self.taken.len() < self.places.free()
    }

    /// When the next send is due, ns; `None` if there is none.
    fn due_ns(&mut self) -> Option<u64> {
        let first = self.taken.front().map(|(send, _)| send);
        let next = first.or_else(|| self.sends.peek());
        next.map(|send| self.start_ns.saturating_add(send.offset_ns))
    }

    /// When the next send takes its connection, ns.
    fn next_take_ns(&mut self) -> u64 {
        if !self.has_room() {
            return u64::MAX;
        }
        let next = self.sends.peek().map(|send| send.offset_ns);
        next.map_or(u64::MAX, |offset_ns| {
            let due_ns = self.start_ns.saturating_add(offset_ns);
            due_ns.saturating_sub(self.connections.lead_ns())
        })
    }

    /// The next send, with its connection.
    fn next_send(&mut self, events: &EventLoop) -> Option<(PlannedSend, Taken)> {
        let taken = self.taken.pop_front();
        taken.or_else(|| Some((self.sends.next()?, self.connections.take(events))))
    }

    /// Sends what is due, for which there is a place.
    ///
    /// # Errors
    /// No request can be had.
    fn send(
        &mut self,
        events: &mut EventLoop,
        (now_ns, due_ns): (u64, u64),
    ) -> Result<Next, LoadError> {
        let request = match self.supply.take(self.queue, events.waker())? {
            Supplied::Request(request) => request,
            Supplied::NotYet => return Ok(Next::Later),
            Supplied::Over => return Ok(Next::Nothing),
        };
        let Some((send, taken)) = self.next_send(events) else {
            return Ok(Next::Nothing);
        };
        if std::mem::take(&mut self.is_held) {
            self.held_until_ns = now_ns;
        }
        if due_ns < self.held_until_ns && !send.is_warmup {
            self.places.note_held(due_ns, now_ns);
        }
        let claimed = self.connections.claim(taken);
        let order = Order {
            request,
            phase: if send.is_warmup {
                Phase::Warmup
            } else {
                Phase::Measured
            },
            scheduled_ns: Some(due_ns),
            number: self.connections.begin(&claimed),
        };
        match claimed {
            Claimed::Channel(channel) => {
                events.carry(order, channel);
            }
            Claimed::NotOpen(id) => {
                let token = events.carry_when_open(order);
                self.connections.awaits(id, token);
            }
        }
        Ok(Next::AtOnce)
    }
}

impl Offer for OpenLoop {
    fn prepare(&mut self, events: &mut EventLoop) -> bool {
        let now_ns = clock::now_ns();
        // What takes longer is waited for by its own send.
        let is_open = |since_ns: u64, connections: &Connections| {
            !connections.is_opening() || now_ns >= since_ns + FIRST_OPEN_LIMIT_NS
        };
        match self.preparing {
            Preparing::Nothing => {
                self.take_until(events, 0);
                self.preparing = Preparing::First(now_ns);
                false
            }
            // Now it is known how long it takes to open one.
            Preparing::First(since_ns) if is_open(since_ns, &self.connections) => {
                self.take_until(events, self.connections.lead_ns());
                self.preparing = Preparing::Early(now_ns);
                false
            }
            Preparing::First(_) => false,
            Preparing::Early(since_ns) => is_open(since_ns, &self.connections),
        }
    }

    fn next(&mut self, events: &mut EventLoop, now_ns: u64) -> Result<Next, LoadError> {
        self.connections.close_idle(now_ns);
        let soon_ns = now_ns + self.connections.lead_ns() + TAKE_SOONER_NS;
        self.take_until(events, soon_ns.saturating_sub(self.start_ns));
        let Some(due_ns) = self.due_ns() else {
            self.connections.close_others();
            return Ok(Next::Nothing);
        };
        if now_ns < due_ns {
            let look_ns = self.next_take_ns().min(now_ns + LOOK_EVERY_NS);
            return Ok(Next::At(due_ns.min(look_ns)));
        }
        if !self.places.take(events.waker()) {
            self.is_held = true;
            return Ok(Next::At(now_ns + LOOK_EVERY_NS));
        }
        let sent = self.send(events, (now_ns, due_ns));
        if !matches!(sent, Ok(Next::AtOnce)) {
            self.places.give_back();
        }
        sent
    }

    fn ended(&mut self, _: &mut EventLoop, ended: Ended) -> Result<(), LoadError> {
        self.places.give_back();
        self.connections.end(ended);
        Ok(())
    }

    fn opened(&mut self, events: &mut EventLoop, opened: Opened) {
        self.connections.opened(events, opened);
    }
}
