//! What the loop does for one request: gives it a connection, waits for its socket, lets
//! it go on, and ends it.

use std::io;
use std::os::fd::AsRawFd;

use inferbench_model::facts::exchange::StreamEnd;
use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::{Ended, EventLoop, OWN, register};
use crate::http::Connection;
use crate::load::carried::Step;
use crate::load::shared::{Channel, Transport};
use crate::load::under_way::{Order, Work};

impl EventLoop {
    /// Sends a request over `channel`, which is opened first if it is not open. Gives
    /// the loop's own number of it.
    pub(in crate::load) fn carry(&mut self, order: Order, channel: Channel) -> usize {
        let (token, step) = self.begin(order, channel);
        if step == Step::NeedsConnection {
            self.open(OWN | token as u64);
        } else {
            self.follow(token, step);
        }
        token
    }

    /// As [`Self::carry`] over a connection that the offer has asked for, and gives
    /// with [`Self::give`].
    pub(in crate::load) fn carry_when_open(&mut self, order: Order) -> usize {
        let channel = self.shared.new_channel();
        self.begin(order, channel).0
    }

    /// The connection that a request awaits. Where it could not be opened, it is tried
    /// once more.
    pub(in crate::load) fn give(
        &mut self,
        token: usize,
        connection: Result<Connection, StreamEnd>,
    ) {
        match connection {
            Ok(connection) => self.opened_for(token, Ok(connection)),
            Err(_) => self.open(OWN | token as u64),
        }
    }

    fn begin(&mut self, order: Order, channel: Channel) -> (usize, Step) {
        let Self {
            under_way,
            shared,
            mailbox,
            ..
        } = self;
        under_way.begin(shared, mailbox, order, channel)
    }

    /// Does for a request what it needs next.
    pub(super) fn follow(&mut self, token: usize, step: Step) {
        match step {
            Step::Ended => return self.end(token),
            Step::NeedsConnection => {
                self.under_way.disarm(token);
                if let Some(entry) = self.under_way.get_mut(token) {
                    // Its connection is gone.
                    entry.registered = false;
                }
                return self.open(OWN | token as u64);
            }
            Step::HasMore => {
                if let Some(entry) = self.under_way.get_mut(token)
                    && !std::mem::replace(&mut entry.has_more, true)
                {
                    self.has_more.push_back(token);
                }
            }
            Step::Waits => {}
        }
        match self.register(token) {
            Ok(()) => self.under_way.arm(token),
            Err(error) => self.broke(token, &error),
        }
    }

    /// Waits for the socket of a request.
    fn register(&mut self, token: usize) -> io::Result<()> {
        let Some(entry) = self.under_way.get_mut(token) else {
            return Ok(());
        };
        if let Work::Http(carried) = &mut entry.work
            && !entry.registered
            && let Some(connection) = carried.connection()
        {
            let interest = match connection.may_write() {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            register(&self.poll, connection, Token(token), interest)?;
            entry.registered = true;
        }
        Ok(())
    }

    fn broke(&mut self, token: usize, error: &io::Error) {
        let step = match (self.under_way.get_mut(token), &self.shared.transport) {
            (Some(entry), Transport::Http(target)) => match &mut entry.work {
                Work::Http(carried) => carried.broke(error, target),
                _ => Step::Ended,
            },
            _ => Step::Ended,
        };
        self.follow(token, step);
    }

    /// A request has ended: leaves its record.
    fn end(&mut self, token: usize) {
        let Some(entry) = self.under_way.remove(token) else {
            return;
        };
        let (outcome, channel) = match entry.work {
            Work::Http(carried) => {
                let (outcome, kept) = carried.finish();
                let kept = kept.filter(|connection| {
                    let fd = connection.as_raw_fd();
                    let registry = self.poll.registry();
                    !entry.registered || registry.deregister(&mut SourceFd(&fd)).is_ok()
                });
                (outcome, Channel::Http(kept))
            }
            Work::Engine(submitted) => (submitted.finish(), Channel::InProcess),
            Work::Unsendable(outcome) => (*outcome, self.shared.new_channel()),
        };
        self.reads.add(&outcome.reads);
        let phase = entry.key.phase;
        let mut answered = entry.continues.map(|session| outcome.answered(session));
        let end_ns = outcome.end_ns;
        let kept = self.shared.keep(entry.key, outcome);
        if let Some(answered) = &mut answered {
            answered.is_ok = kept.ok;
        }
        self.ended.push_back(Ended {
            number: entry.number,
            phase,
            sent: kept.sent,
            channel,
            end_ns,
            answered,
        });
    }

    pub(super) fn opened_for(&mut self, token: usize, connection: Result<Connection, StreamEnd>) {
        if let Some(entry) = self.under_way.get_mut(token)
            && let Work::Http(carried) = &mut entry.work
        {
            let step = carried.opened(connection);
            self.follow(token, step);
        }
    }
}
