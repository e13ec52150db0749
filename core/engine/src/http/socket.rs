//! A stream socket, TCP or Unix: each read carries the kernel's receive time
//! where the kernel gives it, else the time right after the read returned.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg, send, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::buffer::ReadBytes;
use super::clock_offset::{HOST_OFFSET, HostClocks};
use crate::os::clock;

/// Pause before a Unix-domain socket whose listen queue is full is tried again:
/// the kernel refuses such a connection at once.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Segments below this size, bytes, are small to the kernel whatever it has seen of
/// a connection (TCP_MSS_DEFAULT).
const SMALL_SEGMENT_BYTES: usize = 536;

/// When the bytes of one read arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadStamp {
    /// The socket was last known to be empty, ns: its bytes came after that.
    pub empty_ns: u64,
    /// Arrival of its last bytes, by the best clock there is, ns.
    pub arrival_ns: u64,
    /// The read returned, ns.
    pub returned_ns: u64,
    /// The arrival is the kernel's.
    pub from_kernel: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Both streams have the same methods and no trait that holds them.
macro_rules! on {
    ($stream:expr, $inner:ident => $does:expr) => {
        match &$stream {
            Stream::Tcp($inner) => $does,
            Stream::Unix($inner) => $does,
        }
    };
}

impl Stream {
    fn fd(&self) -> i32 {
        on!(*self, stream => stream.as_raw_fd())
    }

    fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        on!(*self, stream => stream.try_io(interest, io))
    }
}

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// The kernel stamps what it receives.
    stamped: bool,
    control: Vec<u8>,
    last_arrival_ns: u64,
    /// When a read last emptied it, or found it empty.
    empty_ns: u64,
    /// Something was written since the last acknowledgement.
    has_written: bool,
}

impl Socket {
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // Without this option the time after the read is used, and marked as such.
        let stamped = setsockopt(&stream, sockopt::ReceiveTimestampns, &true).is_ok();
        Ok(Self::new(Stream::Tcp(stream), stamped))
    }

    /// Connects to a Unix-domain socket, which the kernel never stamps.
    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => return Ok(Self::new(Stream::Unix(stream), false)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new(stream: Stream, stamped: bool) -> Self {
        Self {
            stream,
            stamped,
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
            last_arrival_ns: 0,
            empty_ns: clock::now_ns(),
            has_written: false,
        }
    }

    /// Waits until a read may succeed.
    pub(super) async fn readable(&self) -> io::Result<()> {
        on!(self.stream, stream => stream.readable().await)
    }

    /// Waits until a write may succeed.
    pub(super) async fn writable(&self) -> io::Result<()> {
        on!(self.stream, stream => stream.writable().await)
    }

    /// Writes what fits and gives how much did.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_written = true;
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let fd = self.stream.fd();
        self.stream
            .try_io(Interest::WRITABLE, || Ok(send(fd, bytes, flags)?))
    }

    /// Reads once. Nothing read is the peer's end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to read; else the socket's own.
    pub(super) fn read(&mut self) -> io::Result<(ReadBytes, ReadStamp)> {
        let mut bytes = ReadBytes::take();
        let control = self.stamped.then_some(self.control.as_mut_slice());
        let fd = self.stream.fd();
        let mut received = None;
        let mut found_empty_ns = None;
        let waits = self.stream.try_io(Interest::READABLE, || {
            let read = receive(fd, bytes.room(), control);
            if read.is_err() {
                found_empty_ns = Some(clock::now_ns());
            }
            let (n, wall_ns) = read?;
            received = Some((n, wall_ns, clock::now_ns()));
            // A short read emptied the socket: the runtime has to wait for more
            // before the next one. It forgets the readiness it knew of *before*
            // this read, and keeps what has come since.
            match n > 0 && n < bytes.room().len() {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        });
        let (n, wall_ns, returned_ns) = match (received, waits) {
            (Some(received), _) => received,
            (None, Err(error)) => {
                self.empty_ns = found_empty_ns.unwrap_or(self.empty_ns);
                return Err(error);
            }
            (None, Ok(())) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        bytes.set_len(n);
        let stamp = self.stamp(wall_ns, returned_ns);
        if n < bytes.capacity() {
            self.empty_ns = returned_ns;
        }
        if n > 0 {
            self.acknowledge(n);
        }
        Ok((bytes, stamp))
    }

    /// Acknowledges a read of `n` bytes at once. Else the kernel may wait for
    /// 40 ms, so as to send it with the next request, and a server that has not set
    /// TCP_NODELAY holds its next event back until then. The kernel takes the
    /// option back whenever something is sent; meanwhile it acknowledges by itself
    /// what was read of segments with the push mark, before Linux 6.6 of small
    /// ones only.
    fn acknowledge(&mut self, n: usize) {
        if (self.has_written || n >= SMALL_SEGMENT_BYTES)
            && let Stream::Tcp(stream) = &self.stream
        {
            // A kernel that refuses acknowledges when it likes, as before.
            let _refused = stream.set_quickack(true);
            self.has_written = false;
        }
    }

    /// Reads once without asking the runtime, which may not know yet that bytes
    /// have arrived.
    pub(super) fn read_now(&mut self) -> io::Result<ReadBytes> {
        let mut bytes = ReadBytes::take();
        let (n, _) = receive(self.stream.fd(), bytes.room(), None)?;
        bytes.set_len(n);
        Ok(bytes)
    }

    /// Whether there is nothing to read, not even an end or an error.
    pub(super) fn is_silent(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.fd(), &mut [0], flags) == Err(Errno::EAGAIN)
    }

    fn stamp(&mut self, wall_ns: Option<u64>, returned_ns: u64) -> ReadStamp {
        let arrival =
            wall_ns.and_then(|wall| HOST_OFFSET.arrival_ns(wall, returned_ns, &HostClocks));
        self.last_arrival_ns = arrival.unwrap_or(returned_ns).max(self.last_arrival_ns);
        ReadStamp {
            empty_ns: self.empty_ns,
            arrival_ns: self.last_arrival_ns,
            returned_ns,
            from_kernel: arrival.is_some(),
        }
    }
}

/// One `recvmsg`: bytes read, and the kernel's receive time by its wall clock.
fn receive(
    fd: i32,
    buffer: &mut [u8],
    control: Option<&mut [u8]>,
) -> io::Result<(usize, Option<u64>)> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(fd, &mut slices, control, MsgFlags::MSG_DONTWAIT)?;
    let stamp = message
        .cmsgs()
        .into_iter()
        .flatten()
        .find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => {
                Some(Duration::from(time).as_nanos() as u64)
            }
            _ => None,
        });
    Ok((message.bytes, stamp.filter(|wall_ns| *wall_ns > 0)))
}
