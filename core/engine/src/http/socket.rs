//! A stream socket, TCP or Unix: each read carries the kernel's receive time
//! where the kernel gives it, else the time right after the read returned.

use std::io::{self, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::linux::net::TcpStreamExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg, send, setsockopt, sockopt};

use super::buffer::ReadBytes;
use super::clock_offset::{HOST_OFFSET, HostClocks};
use super::tcp_info::{bytes_waiting, data_segments_received};
use crate::os::clock;

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
    /// The read took all that there was.
    pub emptied: bool,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Another handle of the same socket.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// How many segments the kernel had received and how many reads had given data, at a
/// moment at which the socket was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Received {
    segments: u32,
    reads: u32,
}

/// An open socket that never blocks: who waits for it is the caller.
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
    /// Reads that have given data.
    reads: u32,
    /// From here on segments are counted; `None` if some reads may have given a part of
    /// one.
    received: Option<Received>,
}

impl Socket {
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // Without this option the time after the read is used, and marked as such.
        let stamped = setsockopt(&stream, sockopt::ReceiveTimestampns, &true).is_ok();
        Ok(Self::new(Stream::Tcp(stream), stamped))
    }

    /// A Unix-domain socket, which the kernel never stamps.
    pub(super) fn unix(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(Stream::Unix(stream), false))
    }

    fn new(stream: Stream, stamped: bool) -> Self {
        Self {
            stream,
            stamped,
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
            last_arrival_ns: 0,
            empty_ns: clock::now_ns(),
            has_written: false,
            reads: 0,
            received: Some(Received {
                segments: 0,
                reads: 0,
            }),
        }
    }

    /// The stream below, to be waited for.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Writes what fits and gives how much did.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_written = true;
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        Ok(send(self.stream.as_raw_fd(), bytes, flags)?)
    }

    /// Reads once. Nothing read is the peer's end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to read; else the socket's own.
    pub(super) fn read(&mut self) -> io::Result<(ReadBytes, ReadStamp)> {
        let mut bytes = ReadBytes::take();
        let control = self.stamped.then_some(self.control.as_mut_slice());
        let received = receive(self.stream.as_raw_fd(), bytes.room(), control);
        let returned_ns = clock::now_ns();
        let (n, wall_ns) = match received {
            Ok(received) => received,
            Err(error) => {
                self.was_empty(returned_ns);
                return Err(error);
            }
        };
        bytes.set_len(n);
        let stamp = self.stamp(wall_ns, returned_ns, n < bytes.capacity());
        if stamp.emptied {
            self.was_empty(returned_ns);
        }
        if n > 0 {
            self.reads = self.reads.wrapping_add(1);
            self.acknowledge(n);
        }
        if !stamp.emptied {
            self.received = None;
        }
        Ok((bytes, stamp))
    }

    /// Whether all that the last read gave came in one segment, and so at one moment. To
    /// be asked after a read that emptied the socket; false where that cannot be told.
    pub(super) fn was_one_segment(&mut self) -> bool {
        let Some(segments) = data_segments_received(self.stream.as_fd()) else {
            return false;
        };
        let now = Received {
            segments,
            reads: self.reads,
        };
        // Every read has given one at least: with as many of both, each gave one.
        let was_one = self.received.is_some_and(|since| {
            now.segments.wrapping_sub(since.segments) == now.reads.wrapping_sub(since.reads)
        });
        if !was_one {
            // Counted anew, unless one has come since the read.
            let is_empty = bytes_waiting(self.stream.as_fd()) == Some(0);
            self.received = is_empty.then_some(now);
        }
        was_one
    }

    /// There was nothing to read at this time, ns.
    pub(super) fn was_empty(&mut self, t_ns: u64) {
        self.empty_ns = self.empty_ns.max(t_ns);
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

    /// Whether there is nothing to read, not even an end or an error.
    pub(super) fn is_silent(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.as_raw_fd(), &mut [0], flags) == Err(Errno::EAGAIN)
    }

    fn stamp(&mut self, wall_ns: Option<u64>, returned_ns: u64, emptied: bool) -> ReadStamp {
        let arrival =
            wall_ns.and_then(|wall| HOST_OFFSET.arrival_ns(wall, returned_ns, &HostClocks));
        self.last_arrival_ns = arrival.unwrap_or(returned_ns).max(self.last_arrival_ns);
        ReadStamp {
            empty_ns: self.empty_ns,
            arrival_ns: self.last_arrival_ns,
            returned_ns,
            from_kernel: arrival.is_some(),
            emptied,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        (peer, Socket::tcp(stream).unwrap())
    }

    /// Reads what the peer has written in pieces, all at once.
    fn read(peer: &mut TcpStream, socket: &mut Socket, pieces: &[&[u8]]) -> (usize, bool) {
        for piece in pieces {
            peer.write_all(piece).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        let (bytes, stamp) = socket.read().unwrap();
        assert!(stamp.emptied);
        (bytes.len(), socket.was_one_segment())
    }

    #[test]
    fn a_read_is_of_one_segment_where_the_peer_wrote_once() {
        let (mut peer, mut socket) = pair();
        let mut read = |pieces: &[&[u8]]| read(&mut peer, &mut socket, pieces);
        assert_eq!(read(&[b"one"]), (3, true));
        assert_eq!(read(&[b"event event event"]), (17, true));
        assert_eq!(read(&[b"one", b"two"]), (6, false));
        // From there on segments are counted anew.
        assert_eq!(read(&[b"three"]), (5, true));
    }

    #[test]
    fn reads_that_nobody_asked_about_count_too() {
        let (mut peer, mut socket) = pair();
        for pieces in [&[b"a".as_slice()] as &[&[u8]], &[b"b", b"c"]] {
            for piece in pieces {
                peer.write_all(piece).unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
            socket.read().unwrap();
        }
        // Three segments in two reads: this fourth cannot be told from two.
        assert_eq!(read(&mut peer, &mut socket, &[b"d"]), (1, false));
        assert_eq!(read(&mut peer, &mut socket, &[b"e"]), (1, true));
    }

    #[test]
    fn an_error_is_left_for_the_next_read() {
        let (mut peer, mut socket) = pair();
        peer.write_all(b"one").unwrap();
        peer.write_all(b"two").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        socket.read().unwrap();
        setsockopt(
            &peer,
            sockopt::Linger,
            &nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .unwrap();
        drop(peer);
        std::thread::sleep(Duration::from_millis(20));
        assert!(!socket.was_one_segment());
        let error = socket.read().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_unix_socket_has_no_segments() {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let mut socket = Socket::unix(stream).unwrap();
        peer.write_all(b"one").unwrap();
        socket.read().unwrap();
        assert!(!socket.was_one_segment());
    }
}
