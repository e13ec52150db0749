//! Switches the kernel's receive stamps on before they are needed: it begins to
//! stamp a little after the first socket of the machine has asked for it.

use std::net::UdpSocket;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use crate::clock;

/// What the kernel may take to begin.
const SETTLE: Duration = Duration::from_millis(20);

/// A socket that asks for stamps for as long as the process lives, and when it
/// began to, ns.
static HELD: OnceLock<(Option<UdpSocket>, u64)> = OnceLock::new();

/// Asks the kernel to begin; returns at once.
pub fn switch_on() {
    HELD.get_or_init(|| {
        // Where this is not to be had, reads say that they bear no stamp.
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
