//! One connection: its socket, its unread input and its unsent output. A full
//! socket never blocks: what it does not take waits here.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use mio::net::TcpStream;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use super::answer::Answer;
use super::clock::{Arrival, now_ns};
use super::faults::FaultKind;
use super::http::MAX_BODY;
use super::truth::Record;

/// A larger output buffer is given back once it is sent.
const KEPT_OUT_BYTES: usize = 1 << 20;

/// A generation request in progress.
#[derive(Debug)]
pub(crate) struct Active {
    /// Unique over the server's life.
    pub(crate) request: u64,
    pub(crate) answer: Answer,
    pub(crate) record: Record,
    /// Strikes when this many tokens are out.
    pub(crate) fault_at: Option<u32>,
    pub(crate) fault: Option<FaultKind>,
    /// Output is held back.
    pub(crate) stalled: bool,
    /// Tokens that the engine produced while stalled.
    pub(crate) held: u32,
    /// A token of it is in the timetable of fixed pacing.
    pub(crate) scheduled: bool,
    /// All of its output has been appended.
    pub(crate) ended: bool,
}

/// What becomes of the connection once its output is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It waits for the next request.
    Keep,
    /// It is closed (FIN).
    Close,
    /// It is reset (RST).
    Reset,
}

/// State of the output after a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All is with the kernel.
    Drained,
    /// The socket is full.
    Blocked,
}

/// One client connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    pub(crate) input: Vec<u8>,
    /// Of the last bytes read.
    pub(crate) arrival: Arrival,
    pub(crate) active: Option<Active>,
    pub(crate) ending: Ending,
    /// `100 Continue` was sent for the request being read.
    pub(crate) continued: bool,
    /// Output; bytes before `sent` are with the kernel.
    pub(crate) out: Vec<u8>,
    sent: usize,
    /// End of each token's bytes in `out`, and how many tokens end there.
    marks: VecDeque<(usize, u32)>,
}

impl Conn {
    /// A connection with nothing read or written.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            arrival: Arrival {
                read_ns: 0,
                kernel_ns: None,
            },
            active: None,
            ending: Ending::Keep,
            continued: false,
            out: Vec::with_capacity(4096),
            sent: 0,
            marks: VecDeque::new(),
        }
    }

    /// Whether it cannot take up a request now.
    pub(crate) fn is_busy(&self) -> bool {
        self.active.is_some() || !self.out.is_empty() || self.ending != Ending::Keep
    }

    /// Whether its client sends more than any request may have.
    pub(crate) fn is_flooded(&self) -> bool {
        self.input.len() > 2 * MAX_BODY
    }

    /// Marks that `tokens` tokens end where the output ends now.
    pub(crate) fn mark(&mut self, tokens: u32) {
        if tokens > 0 {
            self.marks.push_back((self.out.len(), tokens));
        }
    }

    /// Writes until the output is empty or the socket full, and notes in the
    /// active request's record which write carried which token.
    ///
    /// # Errors
    /// The socket's error: the client is gone.
    pub(crate) fn flush(&mut self) -> io::Result<Flushed> {
        while self.sent < self.out.len() {
            let at_ns = now_ns();
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.sent += n;
                    self.note_written(at_ns);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if self.out.capacity() > KEPT_OUT_BYTES {
            self.out = Vec::new();
        }
        self.out.clear();
        self.sent = 0;
        Ok(Flushed::Drained)
    }

    fn note_written(&mut self, at_ns: u64) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        active.record.head_write_ns.get_or_insert(at_ns);
        while let Some((end, tokens)) = self.marks.front().copied() {
            if end > self.sent {
                break;
            }
            self.marks.pop_front();
            active.record.wrote(at_ns, tokens);
        }
    }

    /// Makes closing send RST instead of FIN.
    ///
    /// # Errors
    /// The socket's error.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        let at_once = linger {
            l_onoff: 1,
            l_linger: 0,
        };
        Ok(setsockopt(&self.stream, sockopt::Linger, &at_once)?)
    }
}
