//! What is learned of a server's connections while they are used: how many are
//! open, and whether the server closes them without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all connections to one server share.
#[derive(Debug, Default)]
pub(super) struct Known {
    open: AtomicU64,
    most_open: AtomicU64,
    closes_unannounced: AtomicBool,
}

impl Known {
    /// Counts one more open connection, for as long as what is given lives.
    pub(super) fn one_more(self: &Arc<Self>) -> Counted {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(open, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    /// Forgets the most that were open, but for those that are open now.
    pub(super) fn count_anew(&self) {
        let open = self.open.load(Ordering::Relaxed);
        self.most_open.store(open, Ordering::Relaxed);
    }

    /// The most that were open at once.
    pub(super) fn most_open(&self) -> u64 {
        self.most_open.load(Ordering::Relaxed)
    }

    /// The server has closed a connection that it had promised to keep.
    pub(super) fn note_unannounced_close(&self) {
        self.closes_unannounced.store(true, Ordering::Relaxed);
    }

    /// Whether it has done so.
    pub(super) fn closes_unannounced(&self) -> bool {
        self.closes_unannounced.load(Ordering::Relaxed)
    }
}

/// One open connection among those that are counted.
#[derive(Debug)]
pub(super) struct Counted(Arc<Known>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_are_open_at_once_are_counted_and_counted_anew() {
        let known = Arc::new(Known::default());
        let first = known.one_more();
        drop(known.one_more());
        drop(known.one_more());
        assert_eq!(known.most_open(), 2);
        known.count_anew();
        assert_eq!(known.most_open(), 1);
        drop(first);
        known.count_anew();
        assert_eq!(known.most_open(), 0);
    }
}
