//! The simulator's clock: CLOCK_MONOTONIC in nanoseconds, and reads that carry
//! the kernel's receive stamp. It decides nothing about what is read.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Monotonic time now, ns; 0 if the kernel has no such clock.
pub(crate) fn now_ns() -> u64 {
    read_clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// Wall-clock seconds since 1970, for `created` fields only.
pub(crate) fn unix_seconds() -> u64 {
    read_clock_ns(ClockId::CLOCK_REALTIME) / 1_000_000_000
}

fn read_clock_ns(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |t| timespec_ns(&t))
}

fn timespec_ns(t: &TimeSpec) -> u64 {
    u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(t.tv_nsec()).unwrap_or(0)
}

/// When the last byte of a read arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Monotonic ns after the read call returned.
    pub(crate) read_ns: u64,
    /// The kernel's receive stamp turned to monotonic ns; `None` if there was none.
    pub(crate) kernel_ns: Option<u64>,
}

impl Arrival {
    /// The kernel's stamp where there is one, else the time of the read.
    pub(crate) fn best_ns(self) -> u64 {
        self.kernel_ns.unwrap_or(self.read_ns)
    }
}

/// Reads once from a non-blocking socket with `SO_TIMESTAMPNS` set.
///
/// Returns bytes read (0 = the peer closed) and when they arrived. The kernel
/// stamps in wall-clock time; both clocks are sampled here to convert it.
///
/// # Errors
/// The socket's error; `WouldBlock` if nothing is there.
pub(crate) fn read_stamped(fd: &impl AsRawFd, buf: &mut [u8]) -> io::Result<(usize, Arrival)> {
    let fd: RawFd = fd.as_raw_fd();
    let mut control = [0u8; 64];
    let mut slices = [IoSliceMut::new(buf)];
    let message = recvmsg::<()>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|m| match m {
            ControlMessageOwned::ScmTimestampns(t) => Some(timespec_ns(&t)),
            _ => None,
        })
    });
    let read_ns = now_ns();
    let kernel_ns = stamp.map(|stamp_ns| {
        let wall_ns = read_clock_ns(ClockId::CLOCK_REALTIME);
        read_ns.saturating_sub(wall_ns.saturating_sub(stamp_ns))
    });
    Ok((message.bytes, Arrival { read_ns, kernel_ns }))
}
