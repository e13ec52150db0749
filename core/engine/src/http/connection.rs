//! One kept-alive connection. Each read carries the kernel's receive time where
//! the kernel gives it, else the time right after the read returned.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Target;
use crate::clock;

/// Bytes that one read takes at most.
const READ_BYTES: usize = 32 * 1024;
/// How long an offset between the two clocks is used, ns.
const OFFSET_LIFE_NS: u64 = 10_000_000;

/// When the bytes of one read arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadStamp {
    /// Arrival, by the best clock there is, ns.
    pub arrival_ns: u64,
    /// The read returned, ns.
    pub returned_ns: u64,
    /// The arrival is the kernel's.
    pub from_kernel: bool,
}

/// Difference of the kernel's wall clock and the monotonic clock, taken anew
/// every 10 ms, so that a step of the wall clock shifts nothing for long.
#[derive(Debug, Default)]
struct Offset {
    taken_ns: u64,
    wall_minus_monotonic_ns: i128,
}

impl Offset {
    fn monotonic_of(&mut self, wall_ns: u64) -> u64 {
        let now = clock::now_ns();
        if now.saturating_sub(self.taken_ns) > OFFSET_LIFE_NS {
            let wall = clock::realtime_ns();
            let after = clock::now_ns();
            let middle = i128::midpoint(i128::from(now), i128::from(after));
            self.wall_minus_monotonic_ns = i128::from(wall) - middle;
            self.taken_ns = now;
        }
        let monotonic = i128::from(wall_ns) - self.wall_minus_monotonic_ns;
        u64::try_from(monotonic).unwrap_or(0)
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    stamped: bool,
    offset: Offset,
    last_arrival_ns: u64,
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// Time from the start of connecting until the connection was open.
    pub connect_ms: f64,
}

impl Connection {
    /// Opens a connection to any of the target's addresses.
    ///
    /// # Errors
    /// The last address's own error; `TimedOut` after `limit`.
    pub async fn open(target: &Target, limit: Duration) -> io::Result<Self> {
        let began = clock::now_ns();
        let connect = TcpStream::connect((target.host.as_str(), target.port));
        let stream = tokio::time::timeout(limit, connect)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        // Without this option, the time after the read stands in, and says so.
        let stamped = setsockopt(&stream, sockopt::ReceiveTimestampns, &true).is_ok();
        Ok(Self {
            stream,
            stamped,
            offset: Offset::default(),
            last_arrival_ns: 0,
            buffer: vec![0; READ_BYTES],
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
            connect_ms: inferbench_model::units::ms_between(began, clock::now_ns()),
        })
    }

    /// Hands `bytes` to the socket and tells when the last one was taken, ns.
    ///
    /// # Errors
    /// The socket's own.
    pub async fn send(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        loop {
            match self.stream.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) if n == bytes.len() => return Ok(clock::now_ns()),
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once; `None` if `timer` fired first. An empty slice is the peer's
    /// end. The timer is the caller's, so that a read does not pay for one.
    ///
    /// # Errors
    /// The socket's own.
    pub async fn read(
        &mut self,
        mut timer: Pin<&mut Sleep>,
    ) -> io::Result<Option<(&[u8], ReadStamp)>> {
        // A connection that always has bytes must not starve the others.
        tokio::task::coop::consume_budget().await;
        loop {
            match self.try_receive() {
                Ok((n, stamp)) => return Ok(Some((&self.buffer[..n], stamp))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        biased;
                        ready = self.stream.readable() => ready?,
                        () = timer.as_mut() => return Ok(None),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether an idle connection can no longer be used: the peer has closed
    /// it, or has sent something unasked.
    pub fn is_stale(&self) -> bool {
        // The kernel is asked, and not the runtime, which may not have heard yet.
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.as_raw_fd(), &mut [0], flags) != Err(Errno::EAGAIN)
    }

    fn try_receive(&mut self) -> io::Result<(usize, ReadStamp)> {
        let Self {
            stream,
            buffer,
            control,
            stamped,
            ..
        } = self;
        let fd = stream.as_raw_fd();
        let control = stamped.then_some(control.as_mut_slice());
        let (n, wall_ns) = stream.try_io(Interest::READABLE, || receive(fd, buffer, control))?;
        let returned_ns = clock::now_ns();
        if n > 0 && n < self.buffer.len() {
            // The socket is empty: without this, the next read would ask it again
            // before it waits.
            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            drop(self.stream.try_io(Interest::READABLE, empty));
        }
        let arrival = wall_ns.map(|wall| self.offset.monotonic_of(wall));
        // A stamp outside what can be true (a clock step) is cut to it.
        let arrival_ns = arrival.unwrap_or(returned_ns).min(returned_ns);
        self.last_arrival_ns = arrival_ns.max(self.last_arrival_ns);
        let stamp = ReadStamp {
            arrival_ns: self.last_arrival_ns,
            returned_ns,
            from_kernel: arrival.is_some(),
        };
        Ok((n, stamp))
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
