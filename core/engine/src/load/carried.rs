//! One request on its way: over which connection, to which end. It never waits: its
//! driver calls it when something has happened, and gets what it needs next.

use std::io;
use std::time::Duration;

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;

use super::answer::Answer;
use super::encoded::Wire;
use super::limits::Limits;
use super::outcome::{ExchangeOutcome, Timeouts, broken};
use super::woke::Woke;
use crate::http::{Connection, OpenError, Target};
use crate::os::clock;

/// A server that closes a kept connection so soon after an answer, ns, will do so
/// again, also just when the next request goes out. The shortest limits on idle
/// connections that servers have are above it (2 s: gunicorn).
const SOON_NS: u64 = 1_000_000_000;
/// How long a body may take to end after its end marker before the connection
/// is given up instead of being used again.
const AFTER_MARKER: Duration = Duration::from_millis(50);
/// Reads of one connection before the others have their turn.
const READS_AT_ONCE: usize = 4;

/// What a request needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A connection: [`Carried::opened`].
    NeedsConnection,
    /// Something to read or write on its connection, or its time: [`Carried::ready`],
    /// [`Carried::due`].
    Waits,
    /// There may be more to read now: [`Carried::ready`] after the others.
    HasMore,
    /// Nothing: it has ended.
    Ended,
}

/// A request on its way. A connection that has carried other requests may be closed
/// by the server just when the next one goes out: where it then ends before the first
/// byte of an answer, the request is sent again, once, over a connection of its own
/// that is open before the clock starts.
pub(super) struct Carried {
    answer: Answer,
    /// The request, while it is not being sent.
    bytes: Vec<u8>,
    connection: Option<Connection>,
    timeouts: Timeouts,
    limits: Limits,
    /// It has been sent before, and no byte of an answer had come.
    again: bool,
    /// How and when it ended; the rest of its body may still be awaited.
    end: Option<(StreamEnd, u64)>,
}

impl Carried {
    /// A request that goes over `kept`, if that can be used, or else needs a
    /// connection.
    pub(super) fn begin(
        kept: Option<Connection>,
        target: &Target,
        wire: Wire,
        mut exchange: Exchange,
        timeouts: Timeouts,
    ) -> (Self, Step) {
        exchange.request_bytes = u64::try_from(wire.bytes.len()).ok();
        let mut carried = Self {
            answer: Answer::new(exchange, wire.framing, wire.decoder),
            bytes: wire.bytes,
            connection: None,
            timeouts,
            limits: Limits::new(timeouts, clock::now_ns()),
            again: false,
            end: None,
        };
        let step = match usable(kept, target) {
            Some(connection) => carried.send(connection),
            None => Step::NeedsConnection,
        };
        (carried, step)
    }

    /// The connection that it needed is open, or cannot be opened.
    pub(super) fn opened(&mut self, opened: Result<Connection, StreamEnd>) -> Step {
        match opened {
            Ok(connection) => self.send(connection),
            Err(end) => {
                self.answer.was_not_sent();
                self.ends(end, clock::now_ns())
            }
        }
    }

    fn send(&mut self, mut connection: Connection) -> Step {
        self.answer.begins(connection.first_use_ms(), self.again);
        self.limits = Limits::new(self.timeouts, clock::now_ns());
        // The server may have answered, and closed, before it read it all.
        drop(connection.send(std::mem::take(&mut self.bytes)));
        self.answer.note_sent(connection.sent_ns());
        self.connection = Some(connection);
        Step::Waits
    }

    /// Its connection may have something to read or to write. Reads until the socket
    /// is empty; where it `may_be_closed`, until it says so.
    pub(super) fn ready(&mut self, target: &Target, may_be_closed: bool, woke: &mut Woke) -> Step {
        for _ in 0..READS_AT_ONCE {
            let Some(connection) = &mut self.connection else {
                // It is being opened.
                return Step::Waits;
            };
            let read = connection.read();
            self.answer.note_sent(connection.sent_ns());
            let (bytes, stamp) = match read {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Waits,
                Err(error) => return self.broke(&error, target),
            };
            let late = self.limits.note_bytes(stamp.arrival_ns);
            if self.end.is_some() {
                if late || bytes.is_empty() || self.answer.drain(&bytes) {
                    return Step::Ended;
                }
            } else {
                let was_cut = connection.was_cut();
                let first_ns = || match stamp.emptied && connection.came_at_one_moment() {
                    true => Some(stamp.arrival_ns),
                    false => woke.first_bytes_ns(),
                };
                let ended = self.answer.read(&bytes, stamp, (was_cut, late), first_ns);
                if let Some((end, end_ns)) = ended {
                    return self.ends_or_again(end, end_ns, target);
                }
            }
            if stamp.emptied && !may_be_closed {
                return Step::Waits;
            }
        }
        Step::HasMore
    }

    /// The connection itself is broken.
    pub(super) fn broke(&mut self, error: &io::Error, target: &Target) -> Step {
        if self.end.is_some() {
            return Step::Ended;
        }
        let reason = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                FailureReason::ConnectionReset
            }
            io::ErrorKind::TimedOut => FailureReason::ConnectionTimeout,
            _ => FailureReason::SocketError,
        };
        self.ends_or_again(broken(reason, error.to_string()), clock::now_ns(), target)
    }

    /// When its time is up next, ns.
    pub(super) fn due_ns(&self) -> u64 {
        self.limits.due_ns()
    }

    /// Its time may be up.
    pub(super) fn due(&mut self, now_ns: u64) -> Step {
        let Some(reached) = self.limits.reached(now_ns) else {
            return Step::Waits;
        };
        if self.end.is_some() {
            return Step::Ended;
        }
        let end = self.answer.out_of_time(reached);
        self.ends(end, now_ns)
    }

    /// The run is interrupted.
    pub(super) fn interrupt(&mut self) -> Step {
        if self.end.is_none() {
            self.ends(interrupted(), clock::now_ns());
        }
        Step::Ended
    }

    fn ends_or_again(&mut self, end: StreamEnd, end_ns: u64, target: &Target) -> Step {
        let connection = self.connection.as_mut();
        if !self.again
            && was_closed(&end)
            && let Some(bytes) = connection.and_then(Connection::take_unanswered)
        {
            target.note_unannounced_close();
            self.connection = None;
            self.bytes = bytes;
            self.again = true;
            return Step::NeedsConnection;
        }
        self.ends(end, end_ns)
    }

    fn ends(&mut self, end: StreamEnd, end_ns: u64) -> Step {
        let has_rest = end == StreamEnd::Clean && !self.answer.is_complete();
        self.end = Some((end, end_ns));
        if !has_rest {
            return Step::Ended;
        }
        let timeouts = Timeouts {
            total: AFTER_MARKER,
            idle: None,
        };
        self.limits = Limits::new(timeouts, clock::now_ns());
        Step::HasMore
    }

    /// The connection that it goes over.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Its outcome, and the connection if that can carry another request.
    pub(super) fn finish(self) -> (ExchangeOutcome, Option<Connection>) {
        let (end, end_ns) = self.end.unwrap_or_else(|| (interrupted(), clock::now_ns()));
        let can_reuse = end == StreamEnd::Clean && self.answer.can_reuse();
        let kept = self.connection.filter(|_| can_reuse).map(|mut connection| {
            connection.note_carried(clock::now_ns());
            connection
        });
        (self.answer.outcome(end, end_ns), kept)
    }
}

/// The connection, if it can carry a request now.
pub(super) fn usable(kept: Option<Connection>, target: &Target) -> Option<Connection> {
    let mut connection = kept?;
    let carried_ns = connection.carried_ns();
    if connection.is_stale() {
        let rested_ns = carried_ns.map(|at_ns| clock::now_ns().saturating_sub(at_ns));
        if rested_ns.is_some_and(|ns| ns < SOON_NS) {
            target.note_unannounced_close();
        }
        return None;
    }
    let may_carry = carried_ns.is_none() || target.keeps_connections();
    may_carry.then_some(connection)
}

/// Whether the connection was ended by the other side.
fn was_closed(end: &StreamEnd) -> bool {
    let closed = [
        FailureReason::ConnectionClosed,
        FailureReason::ConnectionReset,
    ];
    matches!(end, StreamEnd::Broken { reason, .. } if closed.contains(reason))
}

pub(super) fn interrupted() -> StreamEnd {
    broken(FailureReason::Interrupted, "the run was interrupted")
}

/// How a request ends for which no connection can be opened.
pub(super) fn not_opened(target: &Target, error: &OpenError) -> StreamEnd {
    let reason = match error {
        OpenError::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            FailureReason::ConnectionRefused
        }
        OpenError::TimedOut { .. } => FailureReason::ConnectTimeout,
        OpenError::OutOfPorts => FailureReason::ClientOutOfPorts,
        OpenError::OutOfFiles { .. } => FailureReason::ClientOutOfFiles,
        _ => FailureReason::ConnectError,
    };
    let address = target.address_text();
    broken(reason, format!("connecting to {address}: {error}"))
}
