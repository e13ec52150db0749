//! Requests made ahead of time on a thread of their own, so that making them never
//! delays the load. When they are sent is for the loops.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;

use super::encoded::EncodedRequest;
use super::error::{LoadError, RequestError};
use super::outcome::Answered;
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

    /// Notes that the request with this index is made elsewhere.
    ///
    /// # Errors
    /// See [`RequestError`].
    fn pass_over(&mut self, index: u64) -> Result<(), RequestError> {
        let _ = index;
        Ok(())
    }

    /// The next turn of a conversation; `None` if there is none.
    ///
    /// # Errors
    /// See [`RequestError`].
    fn follow(&mut self, answered: &Answered) -> Result<Option<NextRequest>, RequestError> {
        let _ = answered;
        Ok(None)
    }
}

/// The next turn of a conversation.
#[derive(Debug)]
pub struct NextRequest {
    pub request: EncodedRequest,
    /// Pause after the answer before it, ns.
    pub pause_ns: u64,
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
    /// Conversations that wait for their next turn, and who wants to know it.
    answered: VecDeque<(Answered, Arc<Waker>)>,
    /// Next turns that are made, by conversation; `None` where it is over.
    followed: HashMap<u64, Option<NextRequest>>,
    /// Requests made that are no next turns.
    fresh: u64,
    made: u64,
    failed: Option<LoadError>,
    /// No more will come.
    over: bool,
}

/// What a queue gives.
#[expect(clippy::large_enum_variant, reason = "moved on at once")]
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

    /// Makes requests until nobody wants any: next turns first, since they are waited
    /// for.
    fn make_all(&self, source: &mut impl RequestSource) {
        let mut index = 0;
        while let Some(work) = self.wait_for_work(index) {
            let made = match work {
                Work::Follow(answered, waker) => {
                    let session = answered.session;
                    let next = source.follow(&answered);
                    let failed = |source| LoadError::Turn { session, source };
                    next.map_err(failed)
                        .map(|next| Made::Turn(session, next, waker))
                }
                Work::Fresh => {
                    let request = source.make(index);
                    let failed = |source| LoadError::Request { index, source };
                    request.map_err(failed).map(Made::Fresh)
                }
            };
            index += u64::from(matches!(made, Ok(Made::Fresh(_))));
            if !self.keep(made) {
                return;
            }
        }
    }

    /// What is to be made next; `None` if nothing is any more.
    fn wait_for_work(&self, index: u64) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            if let Some((answered, waker)) = state.answered.pop_front() {
                return Some(Work::Follow(answered, waker));
            }
            let queue = index as usize % state.queues.len();
            if state.queues[queue].len() < self.depth {
                return Some(Work::Fresh);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps what was made and wakes who waits for it; whether more is wanted.
    fn keep(&self, made: Result<Made, LoadError>) -> bool {
        let mut state = self.state();
        let mut wakers: Vec<Arc<Waker>> = Vec::new();
        match made {
            Ok(Made::Turn(session, next, waker)) => {
                state.followed.insert(session, next);
                wakers.push(waker);
            }
            Ok(Made::Fresh(request)) => {
                let queue = (state.fresh % state.queues.len() as u64) as usize;
                state.fresh += 1;
                state.queues[queue].push_back(request);
                wakers.extend(state.hungry[queue].take().map(|(waker, _)| waker));
            }
            Err(error) => {
                state.failed = Some(error);
                state.over = true;
                let hungry = state.hungry.iter_mut().filter_map(Option::take);
                wakers.extend(hungry.map(|(waker, _)| waker));
                let waiting = std::mem::take(&mut state.answered);
                wakers.extend(waiting.into_iter().map(|(_, waker)| waker));
            }
        }
        state.made += 1;
        let is_over = state.over;
        drop(state);
        self.changed.notify_all();
        for waker in wakers {
            // It looks again by itself, only later.
            drop(waker.wake());
        }
        !is_over
    }
}

/// What is to be made.
enum Work {
    Follow(Answered, Arc<Waker>),
    Fresh,
}

/// What was made.
enum Made {
    Turn(u64, Option<NextRequest>, Arc<Waker>),
    Fresh(EncodedRequest),
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
                answered: VecDeque::new(),
                followed: HashMap::new(),
                fresh: 0,
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

impl Supply {
    /// Asks for the turn after an answer; the waker is woken when it is made.
    pub(super) fn follow(&self, answered: Answered, waker: &Arc<Waker>) {
        self.0
            .state()
            .answered
            .push_back((answered, Arc::clone(waker)));
        self.0.changed.notify_all();
    }

    /// The turn that was asked for.
    ///
    /// # Errors
    /// [`LoadError::Turn`], once, where it could not be made.
    pub(super) fn take_followed(&self, session: u64) -> Result<Followed, LoadError> {
        let mut state = self.0.state();
        match state.followed.remove(&session) {
            Some(Some(next)) => Ok(Followed::Next(next)),
            Some(None) => Ok(Followed::Over),
            None => match (state.failed.take(), state.over) {
                (Some(error), _) => Err(error),
                (None, true) => Ok(Followed::Over),
                (None, false) => Ok(Followed::NotYet),
            },
        }
    }
}

/// What became of a conversation.
#[expect(clippy::large_enum_variant, reason = "moved on at once")]
pub(super) enum Followed {
    Next(NextRequest),
    NotYet,
    /// It is over.
    Over,
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.0.state().over = true;
        self.0.changed.notify_all();
    }
}
