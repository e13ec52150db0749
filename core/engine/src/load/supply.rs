//! Requests made ahead of time on a thread of their own, so that making them never
//! delays the load. When they are sent is for the loops.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;

use super::encoded::EncodedRequest;
use super::error::{LoadError, RequestError};
use crate::os::priority;

/// Longest time in which no request becomes ready. Making one takes
/// milliseconds, so what takes longer hangs.
pub(crate) const MAKE_LIMIT: Duration = Duration::from_secs(30);

/// Makes the requests of a cell, one after the other.
pub trait RequestSource: Send + 'static {
    /// The request with this index.
    ///
    /// # Errors
    /// See [`RequestError`].
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError>;
}

/// Requests made ahead, in one queue or several; request `i` is in queue `i` modulo
/// their number.
pub(super) struct Supply(Arc<Stock>);

struct Stock {
    state: Mutex<State>,
    changed: Condvar,
    /// Requests that one queue holds at most.
    depth: usize,
    /// Longest time in which none becomes ready.
    limit: Duration,
}

struct State {
    queues: Vec<VecDeque<EncodedRequest>>,
    /// Queues that were found empty, and who wants to know when they are not.
    hungry: Vec<Option<(Arc<Waker>, Instant)>>,
    made: u64,
    failed: Option<LoadError>,
    /// No more will come.
    over: bool,
}

/// What a queue gives.
pub(super) enum Supplied {
    Request(EncodedRequest),
    /// None is ready; the waker is woken when one is.
    NotYet,
    /// None will come any more.
    Over,
}

impl Stock {
    fn state(&self) -> MutexGuard<'_, State> {
        // The queues are whole even if a thread died while it held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes requests until nobody wants any.
    fn make_all(&self, source: &mut impl RequestSource) {
        for index in 0.. {
            let made = source
                .make(index)
                .map_err(|source| LoadError::Request { index, source });
            let mut state = self.state();
            let queue = index as usize % state.queues.len();
            while !state.over && state.queues[queue].len() >= self.depth {
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
            if state.over {
                return;
            }
            match made {
                Ok(request) => state.queues[queue].push_back(request),
                Err(error) => {
                    state.failed = Some(error);
                    state.over = true;
                }
            }
            state.made += 1;
            let failed = state.over;
            let hungry = match failed {
                true => state.hungry.iter_mut().filter_map(Option::take).collect(),
                false => Vec::from_iter(state.hungry[queue].take()),
            };
            drop(state);
            self.changed.notify_all();
            for (waker, _) in hungry {
                // It looks again by itself, only later.
                drop(waker.wake());
            }
            if failed {
                return;
            }
        }
    }
}

impl Supply {
    /// Starts to make requests into `queues`, `depth` ahead in all.
    pub(super) fn start(mut source: impl RequestSource, queues: usize, depth: usize) -> Self {
        Self::start_with(MAKE_LIMIT, queues, depth, move |stock| {
            priority::lower();
            stock.make_all(&mut source);
        })
    }

    fn start_with(
        limit: Duration,
        queues: usize,
        depth: usize,
        make: impl FnOnce(&Stock) + Send + 'static,
    ) -> Self {
        let stock = Arc::new(Stock {
            state: Mutex::new(State {
                queues: (0..queues).map(|_| VecDeque::new()).collect(),
                hungry: vec![None; queues],
                made: 0,
                failed: None,
                over: false,
            }),
            changed: Condvar::new(),
            depth: depth.div_ceil(queues),
            limit,
        });
        let made = Arc::clone(&stock);
        std::thread::spawn(move || make(&made));
        Self(stock)
    }

    /// Waits until `n` requests, or as many as fit, are ready, or none has
    /// become so for the limit.
    pub(super) fn fill(&self, n: usize) {
        let mut state = self.0.state();
        let wanted = n.min(self.0.depth * state.queues.len());
        let (mut made, mut since) = (state.made, Instant::now());
        while state.queues.iter().map(VecDeque::len).sum::<usize>() < wanted && !state.over {
            if state.made > made {
                (made, since) = (state.made, Instant::now());
            }
            let left = self.0.limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next request of a queue.
    ///
    /// # Errors
    /// [`LoadError::Request`], once, where one could not be made;
    /// [`LoadError::NotMade`] where none was ready for too long.
    pub(super) fn take(&self, queue: usize, waker: &Arc<Waker>) -> Result<Supplied, LoadError> {
        let mut state = self.0.state();
        if let Some(request) = state.queues[queue].pop_front() {
            state.hungry[queue] = None;
            let was_full = state.queues[queue].len() + 1 >= self.0.depth;
            drop(state);
            if was_full {
                self.0.changed.notify_all();
            }
            return Ok(Supplied::Request(request));
        }
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        if state.over {
            return Ok(Supplied::Over);
        }
        let (_, since) =
            state.hungry[queue].get_or_insert_with(|| (Arc::clone(waker), Instant::now()));
        if since.elapsed() >= self.0.limit {
            let limit_s = self.0.limit.as_secs_f64();
            return Err(LoadError::NotMade { limit_s });
        }
        Ok(Supplied::NotYet)
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.0.state().over = true;
        self.0.changed.notify_all();
    }
}
