//! Closed loop: N slots, each sending its next request when its last has ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::LoadError;
use super::event_loop::{Ended, EventLoop, Next, Offer, Order};
use super::mailbox::Opened;
use super::phases::Phases;
use super::shared::Channel;
use super::supply::{Supplied, Supply};
use crate::os::clock;

/// Pause of a slot whose request could not even be sent, ns, so that a dead server
/// does not make a busy loop.
const AFTER_UNSENT_NS: u64 = 100_000_000;

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

    fn with_phases<T>(&self, act: impl FnOnce(&mut Phases) -> T) -> T {
        act(&mut self.phases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The slots of one thread.
pub(super) struct ClosedLoop {
    common: Arc<Common>,
    slots: u32,
    /// Connections that were asked for before the load began; `None` before.
    opening: Option<u32>,
    /// Slots that may send.
    free: VecDeque<Channel>,
    /// Slots that pause, and until when, ns.
    paused: VecDeque<(u64, Channel)>,
    /// All has been sent.
    is_done: bool,
}

impl ClosedLoop {
    pub(super) fn new(common: Arc<Common>, slots: u32) -> Self {
        Self {
            common,
            slots,
            opening: None,
            free: VecDeque::new(),
            paused: VecDeque::new(),
            is_done: false,
        }
    }

    fn end_pauses(&mut self, now_ns: u64) {
        while let Some((_, channel)) = self
            .paused
            .pop_front_if(|(until_ns, _)| *until_ns <= now_ns)
        {
            self.free.push_back(channel);
        }
    }

    fn when_a_slot_is_free(&self) -> Next {
        match (self.free.is_empty(), self.paused.front()) {
            (false, _) => Next::AtOnce,
            (true, Some((until_ns, _))) => Next::At(*until_ns),
            (true, None) => Next::Later,
        }
    }
}

impl Offer for ClosedLoop {
    fn prepare(&mut self, events: &mut EventLoop) -> bool {
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
        self.end_pauses(now_ns);
        if self.is_done {
            return Ok(Next::Nothing);
        }
        if self.free.is_empty() {
            return Ok(self.when_a_slot_is_free());
        }
        // Under one lock, so that order and phase of requests agree on all threads.
        let common = Arc::clone(&self.common);
        let next = common.with_phases(|phases| -> Result<_, LoadError> {
            Ok(match common.supply.take(0, events.waker())? {
                Supplied::Request(request) => Ok(phases.next(now_ns).map(|phase| (request, phase))),
                Supplied::NotYet => Err(Next::Later),
                Supplied::Over => Ok(None),
            })
        })?;
        let next = match next {
            Ok(next) => next,
            Err(later) => return Ok(later),
        };
        let Some((request, phase)) = next else {
            self.is_done = true;
            self.free.clear();
            self.paused.clear();
            return Ok(Next::Nothing);
        };
        if let Some(channel) = self.free.pop_front() {
            let order = Order {
                request,
                phase,
                scheduled_ns: None,
                number: 0,
            };
            events.carry(order, channel);
        }
        Ok(self.when_a_slot_is_free())
    }

    fn ended(&mut self, _: &mut EventLoop, ended: Ended) {
        self.common.with_phases(|phases| phases.ended(ended.phase));
        if ended.sent {
            self.free.push_back(ended.channel);
        } else {
            let until_ns = clock::now_ns() + AFTER_UNSENT_NS;
            self.paused.push_back((until_ns, ended.channel));
        }
    }

    fn opened(&mut self, _: &mut EventLoop, opened: Opened) {
        self.opening = self.opening.map(|left| left.saturating_sub(1));
        // One that cannot be opened is tried again by the request that needs it, which
        // then fails with the reason.
        self.free.push_back(Channel::Http(opened.connection.ok()));
    }
}
