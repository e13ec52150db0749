//! Fixed pacing: which request's next token is due, on an absolute schedule.
//! It reads no clock and makes no token.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::model::SeqKey;

/// The timetable of all requests.
#[derive(Debug)]
pub(crate) struct Pacing {
    ttft_ns: u64,
    itl_ns: u64,
    /// Tokens that are due together.
    burst: u32,
    later: BinaryHeap<Reverse<(u64, u64, usize)>>,
    ready: VecDeque<SeqKey>,
}

impl Pacing {
    /// Token i of a request is due `ttft_ns + i * itl_ns` after its receipt, with i rounded
    /// down to a multiple of `burst`.
    pub(crate) fn new(ttft_ns: u64, itl_ns: u64, burst: u32) -> Self {
        Self {
            ttft_ns,
            itl_ns,
            burst: burst.max(1),
            later: BinaryHeap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Enters token `index` (from 0) of a request received at `received_ns`.
    pub(crate) fn schedule(&mut self, key: SeqKey, received_ns: u64, index: u32) {
        if self.itl_ns == 0 && index > 0 {
            self.ready.push_back(key);
            return;
        }
        let due_with = index - index % self.burst;
        let due_ns = received_ns + self.ttft_ns + self.itl_ns * u64::from(due_with);
        self.later.push(Reverse((due_ns, key.request, key.slot)));
    }

    /// When the next token is due: 0 = now, `None` = nothing is scheduled.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        self.later.peek().map(|Reverse((due_ns, _, _))| *due_ns)
    }

    /// Takes one due token: timed ones first, earliest first. The time is asked
    /// for only if it matters: it costs as much as the rest.
    pub(crate) fn pop(&mut self, now_ns: impl FnOnce() -> u64) -> Option<SeqKey> {
        match self.later.peek() {
            Some(Reverse((due_ns, request, slot))) if *due_ns <= now_ns() => {
                let key = SeqKey {
                    slot: *slot,
                    request: *request,
                };
                self.later.pop();
                Some(key)
            }
            _ => self.ready.pop_front(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(request: u64) -> SeqKey {
        SeqKey { slot: 0, request }
    }

    #[test]
    fn tokens_are_due_on_an_absolute_schedule() {
        let mut pacing = Pacing::new(100, 10, 1);
        pacing.schedule(key(1), 1000, 0);
        pacing.schedule(key(2), 1005, 3);
        assert_eq!(pacing.due_ns(), Some(1100));
        assert_eq!(pacing.pop(|| 1099), None);
        assert_eq!(pacing.pop(|| 1135), Some(key(1)));
        assert_eq!(pacing.due_ns(), Some(1135));
        assert_eq!(pacing.pop(|| 1135), Some(key(2)));
        assert_eq!(pacing.due_ns(), None);
    }

    #[test]
    fn without_a_gap_requests_take_turns() {
        let mut pacing = Pacing::new(100, 0, 1);
        pacing.schedule(key(1), 0, 1);
        pacing.schedule(key(2), 0, 1);
        assert_eq!(pacing.due_ns(), Some(0));
        assert_eq!(pacing.pop(|| 5), Some(key(1)));
        assert_eq!(pacing.pop(|| 5), Some(key(2)));
    }

    #[test]
    fn a_burst_is_due_with_its_first_token() {
        let mut pacing = Pacing::new(100, 10, 4);
        pacing.schedule(key(1), 0, 7);
        assert_eq!(pacing.due_ns(), Some(140), "with token 4");
        assert_eq!(pacing.pop(|| 140), Some(key(1)));
        pacing.schedule(key(1), 0, 8);
        assert_eq!(pacing.due_ns(), Some(180));
    }
}
