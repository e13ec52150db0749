//! Read buffers, shared by all connections of a thread: a connection that waits
//! holds none.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Deref;

/// Bytes that one read takes at most.
const READ_BYTES: usize = 32 * 1024;
/// Idle buffers that a thread keeps: one for what the socket gives and one for
/// what TLS makes of it.
const KEPT_BUFFERS: usize = 2;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The bytes of one read. Its memory serves the next read of the thread once it
/// is dropped.
#[derive(Debug)]
pub struct ReadBytes {
    buffer: Vec<u8>,
    len: usize,
}

impl ReadBytes {
    /// An empty buffer of the thread's.
    pub(super) fn take() -> Self {
        let kept = BUFFERS.with_borrow_mut(Vec::pop);
        Self {
            buffer: kept.unwrap_or_else(|| vec![0; READ_BYTES]),
            len: 0,
        }
    }

    /// Bytes that it has room for.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// All of its memory, to be read into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Sets how many bytes were read into its room.
    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len.min(self.buffer.len());
    }

    /// Adds exactly `n` bytes of `source`.
    pub(super) fn append(&mut self, source: &mut impl Read, n: usize) -> io::Result<()> {
        let end = self.len + n;
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        source.read_exact(&mut self.buffer[self.len..end])?;
        self.len = end;
        Ok(())
    }
}

impl Deref for ReadBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for ReadBytes {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // A thread that ends has no buffers any more: then it is freed.
        let _ = BUFFERS.try_with(|kept| {
            if let Ok(mut kept) = kept.try_borrow_mut()
                && kept.len() < KEPT_BUFFERS
            {
                kept.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_after_the_other_share_one_buffer() {
        let first = ReadBytes::take();
        let memory = first.buffer.as_ptr();
        drop(first);
        for _ in 0..3 {
            assert_eq!(ReadBytes::take().buffer.as_ptr(), memory);
        }
    }

    #[test]
    fn what_is_appended_is_what_is_seen() {
        let mut bytes = ReadBytes::take();
        bytes.append(&mut &b"one "[..], 4).unwrap();
        bytes.append(&mut &b"two"[..], 3).unwrap();
        assert_eq!(&*bytes, b"one two");
        let long = vec![7; READ_BYTES];
        bytes.append(&mut &long[..], READ_BYTES).unwrap();
        assert_eq!(bytes.len(), READ_BYTES + 7);
    }
}
