//! The loop of one load thread: it waits for sockets, mail and time, and lets requests
//! go on. Reading comes first: between two looks at the sockets at most one request is
//! sent, and nothing else is done.

mod carry;
mod offer;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::carried::Step;
use super::error::LoadError;
use super::mailbox::{Mail, Mailbox, Opened, Opener};
use super::self_check::{Lags, ReadStats};
use super::shared::{Shared, Transport};
use super::timers::{Alarm, Pulse};
use super::under_way::{UnderWay, Work};
use super::woke::Woke;
use crate::os::clock;

pub(super) use offer::{Ended, Next, Offer};

/// Events that one look at the sockets gives at most.
const EVENTS: usize = 1024;
/// Tokens of what is no request.
const MAIL: Token = Token(usize::MAX - 1);
const PULSE: Token = Token(usize::MAX - 2);
const ALARM: Token = Token(usize::MAX - 3);
/// Last stretch before a time, ns, in which the sockets are looked at without waiting:
/// what an alarm may be late by on an idle machine.
const AWAKE_NS: u64 = 60_000;
/// Longest time between two looks before the load begins, ns.
const LOOK_EVERY_NS: u64 = 5_000_000;
/// Marks the number of a connection that the loop itself has asked for.
const OWN: u64 = 1 << 63;

/// The loop of one thread.
pub(super) struct EventLoop {
    poll: Poll,
    pub(super) shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    opener: Option<Opener>,
    under_way: UnderWay,
    /// Requests that may have more to read now.
    has_more: VecDeque<usize>,
    ended: VecDeque<Ended>,
    opened: VecDeque<Opened>,
    pulse: Option<Pulse>,
    alarm: Alarm,
    cancelled: bool,
    /// When the sockets were looked at last, ns; `None` if not all were told.
    looked_ns: Option<u64>,
    woke: Woke,
    pub(super) reads: ReadStats,
    pub(super) lags: Lags,
}

impl EventLoop {
    /// # Errors
    /// The system's own.
    pub(super) fn new(shared: Arc<Shared>, opener: Option<Opener>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mailbox = Mailbox::new(Waker::new(poll.registry(), MAIL)?);
        let alarm = Alarm::new()?;
        register(&poll, &alarm, ALARM, Interest::READABLE)?;
        Ok(Self {
            poll,
            shared,
            mailbox,
            opener,
            under_way: UnderWay::default(),
            has_more: VecDeque::new(),
            ended: VecDeque::new(),
            opened: VecDeque::new(),
            pulse: None,
            alarm,
            cancelled: false,
            looked_ns: None,
            woke: Woke::default(),
            reads: ReadStats::default(),
            lags: Lags::default(),
        })
    }

    /// What wakes the loop.
    pub(super) fn waker(&self) -> &Arc<Waker> {
        self.mailbox.waker()
    }

    /// Asks for a connection for an offer, which gets it by [`Offer::opened`].
    pub(super) fn open(&self, id: u64) {
        if let Some(opener) = &self.opener {
            opener.open(id, &self.mailbox);
        }
    }

    /// Lets an offer prepare itself before the load begins.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn prepare(&mut self, offer: &mut impl Offer) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        while !offer.prepare(self) {
            self.look(&mut events, Next::At(clock::now_ns() + LOOK_EVERY_NS))?;
            self.tell(offer)?;
        }
        Ok(())
    }

    /// Runs an offer to its end.
    ///
    /// # Errors
    /// The offer's, after the requests under way have ended, and the system's own.
    pub(super) fn run(&mut self, offer: &mut impl Offer) -> Result<(), LoadError> {
        let pulse = Pulse::start()?;
        register(&self.poll, &pulse, PULSE, Interest::READABLE)?;
        self.pulse = Some(pulse);
        self.woke = Woke::of_this_thread();
        let mut events = Events::with_capacity(EVENTS);
        let mut outcome = Ok(());
        loop {
            let next = if self.cancelled || outcome.is_err() {
                Ok(Next::Nothing)
            } else {
                offer.next(self, clock::now_ns())
            };
            let next = next.unwrap_or_else(|error| {
                outcome = Err(error);
                Next::Nothing
            });
            if next == Next::Nothing && self.under_way.is_empty() && self.ended.is_empty() {
                return outcome;
            }
            self.look(&mut events, next)?;
            outcome = outcome.and(self.tell(offer));
        }
    }

    fn tell(&mut self, offer: &mut impl Offer) -> Result<(), LoadError> {
        let mut told = Ok(());
        while let Some(ended) = self.ended.pop_front() {
            told = told.and(offer.ended(self, ended));
        }
        while let Some(opened) = self.opened.pop_front() {
            offer.opened(self, opened);
        }
        told
    }

    /// Looks at the sockets, at once or after having waited for something to happen, and
    /// lets everything go on that can.
    fn look(&mut self, events: &mut Events, next: Next) -> io::Result<()> {
        let wait = self.how_long(next)?;
        let began_ns = clock::now_ns();
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        self.woke.looked(began_ns, clock::now_ns());
        let mut others = (false, false);
        let mut told = 0;
        for event in events.iter() {
            told += 1;
            match event.token() {
                MAIL => others.0 = true,
                PULSE => others.1 = true,
                ALARM => self.alarm.rang(),
                Token(token) => self.ready(token, Cause::ByPoll(is_closed(event))),
            }
        }
        // What was not told of had nothing to read when the look began.
        self.looked_ns = (told < EVENTS).then_some(began_ns);
        for _ in 0..self.has_more.len() {
            // A request that has ended meanwhile may have left its number to another one.
            if let Some(token) = self.has_more.pop_front()
                && self.under_way.get_mut(token).is_some_and(|e| e.has_more)
            {
                self.ready(token, Cause::HadMore);
            }
        }
        if others.0 {
            self.read_mail();
        }
        if others.1 {
            self.beat();
        }
        Ok(())
    }

    fn how_long(&mut self, next: Next) -> io::Result<Option<Duration>> {
        let waits = self.has_more.is_empty() && self.ended.is_empty();
        match next {
            Next::At(t_ns) if waits => {
                let left_ns = t_ns.saturating_sub(clock::now_ns());
                if left_ns <= AWAKE_NS {
                    return Ok(Some(Duration::ZERO));
                }
                self.alarm.set(Duration::from_nanos(left_ns - AWAKE_NS))?;
                Ok(None)
            }
            Next::Later | Next::Nothing if waits => Ok(None),
            _ => Ok(Some(Duration::ZERO)),
        }
    }

    /// A request's socket may have something to read or to write.
    fn ready(&mut self, token: usize, cause: Cause) {
        let Some(entry) = self.under_way.get_mut(token) else {
            return;
        };
        let (Work::Http(carried), Transport::Http(target)) =
            (&mut entry.work, &self.shared.transport)
        else {
            return;
        };
        if let Some(looked_ns) = self.looked_ns
            && !entry.has_more
            && let Some(connection) = carried.connection()
        {
            connection.was_empty(looked_ns);
        }
        let may_be_closed = match cause {
            // It stays in the queue of those that have more, once.
            Cause::ByPoll(is_closed) => is_closed,
            Cause::HadMore => {
                entry.has_more = false;
                true
            }
        };
        let step = carried.ready(target, may_be_closed, &mut self.woke);
        if step != Step::Waits {
            self.follow(token, step);
        }
    }

    fn read_mail(&mut self) {
        for mail in self.mailbox.take() {
            match mail {
                Mail::Opened(opened) if opened.id & OWN == 0 => self.opened.push_back(opened),
                Mail::Opened(opened) => {
                    self.opened_for((opened.id & !OWN) as usize, opened.connection);
                }
                Mail::Events { id, t_ns, events } => {
                    if let Some((token, submitted)) = self.under_way.at_engine(id) {
                        let step = submitted.take(&events, t_ns);
                        self.follow(token, step);
                    }
                }
            }
        }
    }

    /// A hundred times a second: notes how late the loop is, and looks whose time is up
    /// and whether the run is interrupted.
    fn beat(&mut self) {
        let now_ns = clock::now_ns();
        self.woke.note_waited();
        if let Some(pulse) = &mut self.pulse {
            pulse.beat(now_ns, &mut self.lags);
        }
        while let Some(token) = self.under_way.next_due(now_ns) {
            if let Some(entry) = self.under_way.get_mut(token) {
                let step = entry.work.due(now_ns);
                self.follow(token, step);
            }
        }
        if self.shared.cancel.is_cancelled() && !self.cancelled {
            self.cancelled = true;
            for token in self.under_way.tokens() {
                if let Some(entry) = self.under_way.get_mut(token) {
                    let step = entry.work.interrupt();
                    self.follow(token, step);
                }
            }
        }
    }
}

fn register(poll: &Poll, file: &impl AsRawFd, token: Token, interest: Interest) -> io::Result<()> {
    let fd = file.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), token, interest)
}

/// Why a socket is looked at.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// The system says that there is something; whether the other side is gone.
    ByPoll(bool),
    /// More was there than was read at once.
    HadMore,
}

fn is_closed(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}
