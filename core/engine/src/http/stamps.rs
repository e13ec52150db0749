//! Switches the kernel's receive stamps on before they are needed: it begins to
//! stamp a little after the first socket of the machine has asked for it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpStream;

use super::socket::{ReadStamp, Socket};
use super::waiter::Waiter;
use crate::os::clock;

/// What the kernel may take to begin.
const SETTLE: Duration = Duration::from_millis(20);

/// Reads by which stamps are tried out.
const TRIED_READS: usize = 16;
/// Pause before each of them, so that each is a read of its own.
const TRIED_PAUSE: Duration = Duration::from_millis(2);
/// Longest that trying may take.
const TRIED_LIMIT: Duration = Duration::from_secs(5);

/// A socket that asks for stamps for as long as the process lives, and when it
/// began to, ns.
static HELD: OnceLock<(Option<UdpSocket>, u64)> = OnceLock::new();

/// Asks the kernel to begin; returns at once.
pub fn switch_on() {
    HELD.get_or_init(|| {
        // Where this is not available, reads report that they have no stamp.
        let socket = UdpSocket::bind(("127.0.0.1", 0)).ok();
        let asks = |socket: &UdpSocket| setsockopt(socket, sockopt::ReceiveTimestampns, &true);
        let asking = socket.filter(|socket| asks(socket).is_ok());
        (asking, clock::now_ns())
    });
}

/// Waits out what is left of the time that the kernel may take to begin.
pub(crate) fn settle() {
    switch_on();
    let began_ns = HELD.get().map_or(0, |(_, began_ns)| *began_ns);
    let passed = Duration::from_nanos(clock::now_ns().saturating_sub(began_ns));
    std::thread::sleep(SETTLE.saturating_sub(passed));
}

/// The stamps of some reads from a connection over the loopback device.
///
/// # Errors
/// The system's own, or `TimedOut` if nothing comes.
pub(crate) fn try_out() -> io::Result<Vec<ReadStamp>> {
    settle();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tried = async { tokio::time::timeout(TRIED_LIMIT, stamps_of_reads()).await };
    runtime.block_on(tried).map_err(io::Error::from)?
}

async fn stamps_of_reads() -> io::Result<Vec<ReadStamp>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stream = TcpStream::connect(listener.local_addr()?).await?;
    let mut socket = Socket::tcp(stream.into_std()?)?;
    let waiter = Waiter::new(socket.stream())?;
    let (mut peer, _) = listener.accept()?;
    peer.set_nodelay(true)?;
    let mut stamps = Vec::with_capacity(TRIED_READS);
    while stamps.len() < TRIED_READS {
        tokio::time::sleep(TRIED_PAUSE).await;
        peer.write_all(b"stamp")?;
        let stamp = loop {
            waiter.readable().await?;
            match waiter.try_read(|| socket.read()) {
                Ok((_, stamp)) => break stamp,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        };
        stamps.push(stamp);
    }
    Ok(stamps)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn every_read_that_is_tried_has_a_stamp_and_none_lies_after_its_read() {
        let stamps = try_out().unwrap();
        assert_eq!(stamps.len(), TRIED_READS);
        assert!(stamps.iter().all(|s| s.arrival_ns <= s.returned_ns));
    }
}
