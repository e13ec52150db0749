//! What the kernel knows of a TCP connection.

#![allow(
    unsafe_code,
    reason = "no crate reads this field of TCP_INFO, or asks FIONREAD"
)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// Place of `tcpi_data_segs_in` in the kernel's `struct tcp_info`, bytes (Linux 4.6 and
/// later; the structure only ever grows at its end).
const DATA_SEGS_IN: std::ops::Range<usize> = 152..156;

/// Segments with data that a TCP socket has received so far, modulo 2^32; those that came
/// twice are counted twice. `None` for any other socket, and from kernels that do not
/// count them.
pub(super) fn data_segments_received(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut info = [0u8; DATA_SEGS_IN.end];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes at
    // most `length` bytes into `info`, which has as many, and the number into `length`.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let is_there = failed == 0 && length as usize >= DATA_SEGS_IN.end;
    let field = info[DATA_SEGS_IN].try_into().ok()?;
    is_there.then(|| u32::from_ne_bytes(field))
}

/// Bytes that a socket has received and nobody has read. Unlike a look by `recv`, this
/// leaves an error that the socket has for the next read. `None` if it is not told.
pub(super) fn bytes_waiting(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and FIONREAD writes one
    // `int`.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    (failed == 0).then(|| u32::try_from(bytes).ok())?
}
