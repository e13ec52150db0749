//! Closed loop: N slots, each sending its next request when its last has ended. They
//! begin all at once, or one after the other. A slot that holds a conversation keeps it
//! to its end, and the connection with it. Of several replicas a slot belongs to one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::facts::record::Phase;
use inferbench_model::plan::shard::Shard;

use super::between::Between;
use super::encoded::EncodedRequest;
use super::error::LoadError;
use super::event_loop::{Ended, EventLoop, Next, Offer};
use super::mailbox::Opened;
use super::phases::Phases;
use super::shared::Channel;
use super::supply::{Supplied, Supply};
use super::under_way::Order;
use crate::os::clock;

/// Pause of a slot whose request could not even be sent, ns, so that a dead server
/// does not make a busy loop.
const AFTER_UNSENT_NS: u64 = 100_000_000;

/// Slots of all threads that begin one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ramp {
    /// Time between two slots, ns.
    pub(super) gap_ns: u64,
    pub(super) threads: u64,
    /// The machine's part of all slots.
    pub(super) shard: Shard,
}

impl Ramp {
    /// When each of a thread's `slots` begins, ns after the start. Machines take turns, and
    /// on each its threads.
    pub(super) fn begins_ns(self, thread: u32, slots: u32) -> VecDeque<u64> {
        let place = |slot| u64::from(thread) + u64::from(slot) * self.threads;
        let begins = |slot| self.shard.request_index(place(slot)) * self.gap_ns;
        (0..slots).map(begins).collect()
    }
}

/// What the slots of all threads share.
pub(super) struct Common {
    supply: Supply,
    phases: Mutex<Phases>,
}

impl Common {
    pub(super) fn new(supply: Supply, phases: Phases) -> Arc<Self> {
        Arc::new(Self {
            supply,
            phases: Mutex::new(phases),
        })
    }

    /// The next request and its phase, under one lock, so that order and phase of
    /// requests agree on all threads.
    fn next(&self, events: &EventLoop, now_ns: u64) -> Result<Given, LoadError> {
        self.with_phases(|phases| {
            Ok(match self.supply.take(0, events.waker())? {
                Supplied::Request(mut request) => match phases.next_indexed(now_ns) {
                    Some((index, phase)) => {
                        request.index = index;
                        Given::Request(request, phase)
                    }
                    None => Given::Over,
                },
                Supplied::NotYet => Given::NotYet,
                Supplied::Over => Given::Over,
            })
        })
    }

    fn with_phases<T>(&self, act: impl FnOnce(&mut Phases) -> T) -> T {
        act(&mut self.phases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a free slot is given.
#[expect(clippy::large_enum_variant, reason = "moved on at once")]
enum Given {
    Request(EncodedRequest, Phase),
    NotYet,
    /// All have been sent.
    Over,
}

/// The slots of one thread.
pub(super) struct ClosedLoop {
    common: Arc<Common>,
    slots: u32,
    /// When each slot begins that has not yet, ns after the start; `None` if all begin at
    /// once.
    to_begin_ns: Option<VecDeque<u64>>,
    /// When the load starts, ns.
    start_ns: u64,
    /// Connections that were asked for before the load began; `None` before.
    opening: Option<u32>,
    /// Slots that have no request yet.
    free: VecDeque<Channel>,
    /// Slots that have one and send it as soon as it is their turn.
    ready: VecDeque<(Channel, EncodedRequest, Phase)>,
    /// Slots that pause, and until when, ns.
    paused: VecDeque<(u64, Channel)>,
    /// Conversations between two turns.
    between: Between,
    /// All has been sent.
    is_done: bool,
}

impl ClosedLoop {
    /// `to_begin_ns`: when each slot begins, ns after the start, if not at once.
    pub(super) fn new(common: Arc<Common>, slots: u32, to_begin_ns: Option<VecDeque<u64>>) -> Self {
        Self {
            common,
            slots,
            to_begin_ns,
            start_ns: 0,
            opening: None,
            free: VecDeque::new(),
            ready: VecDeque::new(),
            paused: VecDeque::new(),
            between: Between::default(),
            is_done: false,
        }
    }

    /// Sets when the load starts, ns.
    pub(super) fn starts_at(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// When the next slot begins, ns; `None` if all have begun.
    fn next_begin_ns(&self) -> Option<u64> {
        let offset_ns = *self.to_begin_ns.as_ref()?.front()?;
        Some(self.start_ns.saturating_add(offset_ns))
    }

    /// Lets the slots begin whose time has come: each opens its connection, if it needs
    /// one, and sends when it is open.
    fn begin_slots(&mut self, events: &EventLoop, now_ns: u64) {
        while self
            .next_begin_ns()
            .is_some_and(|begin_ns| begin_ns <= now_ns)
        {
            let left = self.to_begin_ns.as_mut();
            left.and_then(VecDeque::pop_front);
            let channel = events.shared.new_channel();
            if channel.is_usable() {
                self.begins(channel);
            } else {
                events.open(0);
            }
        }
    }

    /// A slot begins over this channel.
    fn begins(&mut self, channel: Channel) {
        if self.to_begin_ns.is_some() {
            self.common.with_phases(Phases::begins);
        }
        self.free.push_back(channel);
    }

    fn end_pauses(&mut self, now_ns: u64) {
        while let Some((_, channel)) = self
            .paused
            .pop_front_if(|(until_ns, _)| *until_ns <= now_ns)
        {
            self.free.push_back(channel);
        }
    }

    /// Gives each free slot its next request, while there are any. What a slot sends
    /// next is settled when it becomes free, not when its turn to send has come: so the
    /// order of phases does not depend on how busy the loop is.
    fn give_requests(&mut self, events: &EventLoop, now_ns: u64) -> Result<(), LoadError> {
        while let Some(channel) = self.free.pop_front() {
            match self.common.next(events, now_ns)? {
                Given::Request(request, phase) => {
                    let request = events.shared.addressed(request);
                    self.ready.push_back((channel, request, phase));
                }
                Given::NotYet => {
                    self.free.push_front(channel);
                    return Ok(());
                }
                Given::Over => self.is_over(),
            }
        }
        Ok(())
    }

    fn is_over(&mut self) {
        self.is_done = true;
        self.free.clear();
        self.paused.clear();
        self.to_begin_ns.iter_mut().for_each(VecDeque::clear);
        self.between = Between::default();
    }

    /// Lets conversations go on whose next turn is made and due; slots whose
    /// conversation is over are free.
    fn go_on(&mut self, events: &EventLoop, now_ns: u64) -> Result<(), LoadError> {
        let over = self.between.take_made(&self.common.supply, now_ns)?;
        self.free.extend(over);
        while let Some((channel, mut request)) = self.between.next_due(now_ns) {
            let next = self
                .common
                .with_phases(|phases| phases.next_indexed(now_ns));
            let Some((index, phase)) = next else {
                self.is_over();
                return Ok(());
            };
            request.index = index;
            let request = events.shared.addressed(request);
            self.ready.push_back((channel, request, phase));
        }
        Ok(())
    }

    fn when_next(&self) -> Next {
        let paused_ns = self.paused.front().map(|(until_ns, _)| *until_ns);
        let times_ns = paused_ns.into_iter().chain(self.next_begin_ns());
        let next_ns = times_ns.chain(self.between.first_due_ns()).min();
        match (self.ready.is_empty(), next_ns) {
            (false, _) => Next::AtOnce,
            (true, _) if self.is_done => Next::Nothing,
            (true, Some(next_ns)) => Next::At(next_ns),
            (true, None) => Next::Later,
        }
    }
}

impl Offer for ClosedLoop {
    fn prepare(&mut self, events: &mut EventLoop) -> bool {
        if self.to_begin_ns.is_some() {
            // Each is opened when its slot begins.
            return true;
        }
        if self.opening.is_none() {
            let needs_none = events.shared.new_channel().is_usable();
            let ids = if needs_none { 0 } else { self.slots };
            for _ in ids..self.slots {
                self.free.push_back(events.shared.new_channel());
            }
            self.opening = Some(ids);
            (0..ids).for_each(|id| events.open(u64::from(id)));
        }
        self.opening == Some(0)
    }

    fn next(&mut self, events: &mut EventLoop, now_ns: u64) -> Result<Next, LoadError> {
        self.begin_slots(events, now_ns);
        self.end_pauses(now_ns);
        self.go_on(events, now_ns)?;
        self.give_requests(events, now_ns)?;
        if let Some((channel, request, phase)) = self.ready.pop_front() {
            let order = Order {
                request,
                phase,
                scheduled_ns: None,
                number: 0,
            };
            events.carry(order, channel);
        }
        Ok(self.when_next())
    }

    fn ended(&mut self, events: &mut EventLoop, ended: Ended) -> Result<(), LoadError> {
        self.common.with_phases(|phases| phases.ended(ended.phase));
        let now_ns = clock::now_ns();
        if self.is_done {
            return Ok(());
        }
        if !ended.sent {
            self.paused
                .push_back((now_ns + AFTER_UNSENT_NS, ended.channel));
            return Ok(());
        }
        match ended.answered {
            Some(answered) => {
                let supply = &self.common.supply;
                supply.follow(answered.clone(), events.waker());
                self.between
                    .waits(answered.session, ended.channel, ended.end_ns);
                Ok(())
            }
            None => {
                self.free.push_back(ended.channel);
                self.give_requests(events, now_ns)
            }
        }
    }

    fn opened(&mut self, _: &mut EventLoop, opened: Opened) {
        self.opening = self.opening.map(|left| left.saturating_sub(1));
        // One that cannot be opened is tried again by the request that needs it, which
        // then fails with the reason.
        self.begins(Channel::Http(opened.connection.ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_all_threads_begin_evenly_one_after_the_other() {
        let ramp = Ramp {
            gap_ns: 10,
            threads: 3,
            shard: Shard::WHOLE,
        };
        assert_eq!(ramp.begins_ns(0, 3), [0, 30, 60]);
        assert_eq!(ramp.begins_ns(1, 2), [10, 40]);
        assert_eq!(ramp.begins_ns(2, 2), [20, 50]);
        // Of two machines the second has every other slot.
        let shard = Shard::new(1, 2).unwrap();
        assert_eq!(Ramp { shard, ..ramp }.begins_ns(1, 2), [30, 90]);
    }
}
