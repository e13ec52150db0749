//! The limit on requests in flight of an open loop, over all its threads, and what it
//! held back.

use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::text::units::ms_between;
use mio::Waker;

/// Places of requests in flight. Without a limit there is always a free one.
pub(super) struct Places {
    most: Option<u32>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    taken: u32,
    /// Threads that wait for a place.
    waiting: Vec<Arc<Waker>>,
    held: Held,
}

/// Measured requests whose sends were held back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Held {
    sends: u64,
    sum_ms: f64,
    max_ms: f64,
}

impl Places {
    /// `most`: the limit, if there is one.
    pub(super) fn new(most: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            most,
            inner: Mutex::default(),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a place; false if there is none. Then `waker` is woken when one becomes free.
    pub(super) fn take(&self, waker: &Arc<Waker>) -> bool {
        let Some(most) = self.most else { return true };
        self.with(|inner| {
            let is_free = inner.taken < most;
            if is_free {
                inner.taken += 1;
            } else if !inner.waiting.iter().any(|known| Arc::ptr_eq(known, waker)) {
                inner.waiting.push(Arc::clone(waker));
            }
            is_free
        })
    }

    /// Gives a place back. Whoever waits looks again: one that was woken may need no
    /// place any more.
    pub(super) fn give_back(&self) {
        if self.most.is_none() {
            return;
        }
        let waiting = self.with(|inner| {
            inner.taken = inner.taken.saturating_sub(1);
            std::mem::take(&mut inner.waiting)
        });
        for waker in waiting {
            // A thread that cannot be woken looks at its next beat.
            drop(waker.wake());
        }
    }

    /// Places that are free now.
    pub(super) fn free(&self) -> usize {
        self.most.map_or(usize::MAX, |most| {
            self.with(|inner| most.saturating_sub(inner.taken)) as usize
        })
    }

    /// Notes that the send of a measured request, due at `due_ns`, waited for a place
    /// until `now_ns`.
    pub(super) fn note_held(&self, due_ns: u64, now_ns: u64) {
        let waited_ms = ms_between(due_ns, now_ns);
        self.with(|inner| {
            inner.held.sends += 1;
            inner.held.sum_ms += waited_ms;
            inner.held.max_ms = inner.held.max_ms.max(waited_ms);
        });
    }

    /// Sets what the limit held back; nothing without one.
    pub(super) fn fill_in(&self, check: &mut SelfCheck) {
        if self.most.is_none() {
            return;
        }
        let held = self.with(|inner| inner.held);
        check.held_back_sends = Some(held.sends);
        if held.sends > 0 {
            check.held_back_ms_mean = Some(held.sum_ms / held.sends as f64);
            check.held_back_ms_max = Some(held.max_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_given_back() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let places = Places::new(Some(2));
        assert_eq!([places.take(&waker), places.take(&waker)], [true; 2]);
        assert_eq!((places.take(&waker), places.free()), (false, 0));
        places.give_back();
        assert_eq!(places.free(), 1);
        assert!(places.take(&waker));
    }

    #[test]
    fn what_was_held_back_is_counted_and_without_a_limit_nothing_is() {
        let places = Places::new(Some(1));
        places.note_held(0, 10_000_000);
        places.note_held(5_000_000, 35_000_000);
        let mut check = SelfCheck::default();
        places.fill_in(&mut check);
        assert_eq!(check.held_back_sends, Some(2));
        assert_eq!(check.held_back_ms_mean, Some(20.0));
        assert_eq!(check.held_back_ms_max, Some(30.0));
        let mut check = SelfCheck::default();
        Places::new(None).fill_in(&mut check);
        assert_eq!(check, SelfCheck::default());
    }
}
