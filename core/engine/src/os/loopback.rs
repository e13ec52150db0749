//! Whether this machine can reach itself. A new network namespace has a loopback
//! interface that is down: a server can listen there, and nobody can connect to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT, ENETDOWN, ENETUNREACH};
use thiserror::Error;

/// Any port: nothing is sent to it.
const PORT: u16 = 9;

/// This machine cannot reach an address of its own.
#[derive(Debug, Error)]
#[error(
    "this machine cannot reach its own address {address}: {error}; bring its loopback interface up (ip link set lo up)"
)]
pub struct NoLoopback {
    /// The address.
    address: IpAddr,
    /// What the kernel says.
    error: io::Error,
}

/// Whether there is a way to a loopback address, as the kernel knows it without a packet.
///
/// # Errors
/// There is none. A machine that cannot be asked may have one.
pub(crate) fn check(address: IpAddr) -> Result<(), NoLoopback> {
    judge(address, look(address))
}

/// Connects a datagram socket, for which the kernel only looks for the way.
fn look(address: IpAddr) -> io::Result<()> {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    UdpSocket::bind((any, 0))?.connect(SocketAddr::new(address, PORT))
}

fn judge(address: IpAddr, looked: io::Result<()>) -> Result<(), NoLoopback> {
    match looked {
        Err(error) if is_no_way(&error) => Err(NoLoopback { address, error }),
        _ => Ok(()),
    }
}

/// Whether an error of a socket can come of there being no way to an address.
pub(crate) fn is_no_way(error: &io::Error) -> bool {
    let codes = [ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EAFNOSUPPORT];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use nix::libc::{EACCES, EMFILE};

    use super::*;

    #[test]
    fn the_code_and_not_the_words_says_that_there_is_no_way() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let judged = |code| judge(here, Err(io::Error::from_raw_os_error(code)));
        for code in [ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EAFNOSUPPORT] {
            let error = judged(code).unwrap_err().to_string();
            assert!(error.contains("own address 127.0.0.1"), "{error}");
        }
        // A machine that cannot be asked.
        for code in [EACCES, EMFILE] {
            judged(code).unwrap();
        }
        let words = io::Error::other("Network is unreachable (os error 101)");
        judge(here, Err(words)).unwrap();
    }

    #[test]
    fn this_machine_reaches_itself_and_asks_without_a_listener() {
        check(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
    }
}
