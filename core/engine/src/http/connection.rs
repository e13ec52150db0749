//! One kept-alive connection: bytes out and stamped bytes in, both at once if
//! need be, with or without TLS.

mod open;

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::buffer::ReadBytes;
use super::known::Counted;
use super::socket::{ReadStamp, Socket};
use super::tls::{self, Session};
use super::waiter::Waiter;
use crate::os::clock;
pub use open::{MAX_OPENING, OpenError};

/// Bytes on their way into the socket.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Forgets all, memory too: long prompts are not kept while answers last.
    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    tls: Option<Box<Session>>,
    outgoing: Outgoing,
    sent_ns: Option<u64>,
    ended: Option<Ended>,
    /// When the last answer over it had ended; `None` if it carried no request.
    carried_ns: Option<u64>,
    /// The connection has carried another request, and no byte of an answer to
    /// this one has come: the server may have closed before it saw it.
    may_be_unseen: bool,
    /// The request for as long as that is so.
    unanswered: Vec<u8>,
    counted: Option<Counted>,
    /// Time from the start of connecting until the connection was open, with
    /// the handshake of TLS, without the wait for a turn.
    pub connect_ms: f64,
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.stream().as_raw_fd()
    }
}

/// How the peer has ended what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    InOrder,
    /// Without the end that TLS asks for.
    Cut,
}

impl Connection {
    fn plain(socket: Socket) -> Self {
        Self {
            socket,
            tls: None,
            outgoing: Outgoing::default(),
            sent_ns: None,
            ended: None,
            carried_ns: None,
            may_be_unseen: false,
            unanswered: Vec::new(),
            counted: None,
            connect_ms: 0.0,
        }
    }

    /// What a task of the runtime waits with for this connection.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn waiter(&self) -> io::Result<Waiter> {
        Waiter::new(self.socket.stream())
    }

    /// Hands `bytes` to the socket, as many as it takes now. The rest goes
    /// while the answer is read, so that neither side waits for the other.
    ///
    /// # Errors
    /// The socket's own. The server may have answered all the same.
    pub fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.sent_ns = None;
        self.outgoing.clear();
        self.may_be_unseen = self.carried_ns.is_some();
        match &mut self.tls {
            Some(session) => {
                let encrypted = session.encrypt(&bytes, &mut self.outgoing.bytes);
                if self.may_be_unseen {
                    self.unanswered = bytes;
                }
                encrypted?;
            }
            None => self.outgoing.bytes = bytes,
        }
        self.flush()
    }

    /// Nothing more of what was to be sent will be: all is out, or nothing goes.
    fn end_sending(&mut self) {
        let outgoing = std::mem::take(&mut self.outgoing);
        // Below TLS its own messages are sent too, while an answer is read.
        if self.tls.is_none() && self.may_be_unseen {
            self.unanswered = outgoing.bytes;
        }
    }

    /// An answer has begun: the request is not needed any more.
    fn was_seen(&mut self) {
        self.may_be_unseen = false;
        self.unanswered = Vec::new();
    }

    /// The request that was sent last, if the connection had carried another one
    /// before and no byte of an answer has come: where the server has closed, it
    /// had not promised this request anything.
    pub fn take_unanswered(&mut self) -> Option<Vec<u8>> {
        if !self.outgoing.is_empty() {
            self.end_sending();
        }
        let unanswered = std::mem::take(&mut self.unanswered);
        self.may_be_unseen.then_some(unanswered)
    }

    /// The answer to the last request has ended, at `t_ns`, and the connection can
    /// carry another.
    pub fn note_carried(&mut self, t_ns: u64) {
        self.carried_ns = Some(t_ns);
    }

    /// Time that it took to open, ms, if it has carried no request yet.
    #[must_use]
    pub fn first_use_ms(&self) -> Option<f64> {
        self.carried_ns.is_none().then_some(self.connect_ms)
    }

    /// When the last answer over it had ended, ns; `None` if it has carried none.
    #[must_use]
    pub fn carried_ns(&self) -> Option<u64> {
        self.carried_ns
    }

    /// When the call began that handed the last byte of what was sent last to the
    /// socket, ns; `None` as long as none has.
    #[must_use]
    pub fn sent_ns(&self) -> Option<u64> {
        self.sent_ns
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let rest = &self.outgoing.bytes[self.outgoing.written..];
            // Before the call: the bytes leave within it, and who is held up after that
            // would take the hold-up for a faster server.
            let began_ns = clock::now_ns();
            match self.socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.outgoing.written += n;
                    if self.outgoing.is_empty() {
                        self.sent_ns.get_or_insert(began_ns);
                        self.end_sending();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether something is left to be written, so that it has to be tried again
    /// when the socket can take more.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether it has something to write, or may get it while an answer is read, as
    /// TLS does.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.tls.is_some() || self.wants_write()
    }

    /// Writes what it can of what is left.
    pub fn write_on(&mut self) {
        if !self.outgoing.is_empty() && self.flush().is_err() {
            // What the server said before it closed is still to be read.
            self.end_sending();
        }
    }

    /// There was nothing to read at this time, ns: whatever is read from now on came
    /// later.
    pub fn was_empty(&mut self, t_ns: u64) {
        self.socket.was_empty(t_ns);
    }

    /// Whether all that the last read gave came at one moment, its arrival; false where
    /// that cannot be told.
    pub fn came_at_one_moment(&mut self) -> bool {
        self.socket.was_one_segment()
    }

    /// Reads once, after it has written what it can of what is left. No bytes are the
    /// peer's end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to read, the socket's own, and `InvalidData`
    /// for what TLS refuses.
    pub fn read(&mut self) -> io::Result<(ReadBytes, ReadStamp)> {
        self.write_on();
        loop {
            // Nothing: TLS sent a message of its own.
            let read = self.try_read()?;
            self.write_on();
            if let Some((bytes, stamp)) = read {
                if !bytes.is_empty() {
                    self.was_seen();
                }
                return Ok((bytes, stamp));
            }
        }
    }

    fn try_read(&mut self) -> io::Result<Option<(ReadBytes, ReadStamp)>> {
        if self.ended == Some(Ended::InOrder) {
            let now_ns = clock::now_ns();
            let stamp = ReadStamp {
                empty_ns: now_ns,
                arrival_ns: now_ns,
                returned_ns: now_ns,
                from_kernel: false,
                emptied: true,
            };
            return Ok(Some((ReadBytes::take(), stamp)));
        }
        let (bytes, stamp) = self.socket.read()?;
        if self.tls.is_none() {
            return Ok(Some((bytes, stamp)));
        }
        let plain = self.decrypt(&bytes)?;
        let has_news = !plain.is_empty() || self.ended.is_some();
        Ok(has_news.then_some((plain, stamp)))
    }

    /// What TLS makes of the bytes of one read; nothing for plain connections.
    fn decrypt(&mut self, wire: &[u8]) -> io::Result<ReadBytes> {
        let mut plain = ReadBytes::take();
        let Some(session) = &mut self.tls else {
            return Ok(plain);
        };
        if wire.is_empty() {
            self.ended = Some(Ended::Cut);
            return Ok(plain);
        }
        let ended = session
            .decrypt(wire, &mut plain)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, tls::words(&error)))?;
        if ended {
            self.ended = Some(Ended::InOrder);
        }
        session.write_pending(&mut self.outgoing.bytes)?;
        Ok(plain)
    }

    /// Whether the peer has closed the connection without the end that TLS asks
    /// for: what came may be less than what was sent. Never so without TLS.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.ended == Some(Ended::Cut)
    }

    /// Whether an idle connection can no longer be used: the peer has closed
    /// it, or has sent something unasked, or has not taken all of the last
    /// request.
    pub fn is_stale(&mut self) -> bool {
        if self.ended.is_some() || !self.outgoing.is_empty() {
            return true;
        }
        if self.tls.is_none() {
            return !self.socket.is_silent();
        }
        // Tickets for later sessions come unasked.
        loop {
            let silent = match self.socket.read().map(|(bytes, _)| bytes) {
                Ok(wire) => self.decrypt(&wire).is_ok_and(|plain| plain.is_empty()),
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            };
            if !silent || self.ended.is_some() {
                return true;
            }
        }
    }
}
