//! How many requests of a cell were in flight and how many of them waited for
//! their first output, over time: counted exactly, then kept as the least and
//! the most of each of many equal spans.

use super::Line;
use crate::stats::packed::Packed;

/// Spans of a cell.
const SPANS: usize = 256;
/// Times that are sorted together.
const RUN: usize = 1 << 15;
const NS_PER_US: u64 = 1000;

/// Times of the requests that were sent, us after the first that came.
#[derive(Debug)]
pub(crate) struct InFlight {
    zero_us: Option<u64>,
    sent: Packed,
    answered: Packed,
    ended: Packed,
}

/// Requests in flight over the time of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    /// The first send.
    pub(crate) start_ns: u64,
    /// Length of a span.
    pub(crate) span_ns: u64,
    /// Neighbouring spans.
    pub(crate) spans: Vec<LoadSpan>,
}

/// Least and most requests in one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadSpan {
    /// Sent and not over.
    pub(crate) in_flight: (u64, u64),
    /// Those of them without any output yet.
    pub(crate) waiting: (u64, u64),
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            zero_us: None,
            sent: Packed::with_run(RUN),
            answered: Packed::with_run(RUN),
            ended: Packed::with_run(RUN),
        }
    }
}

impl InFlight {
    pub(super) fn add(&mut self, line: &Line) {
        let zero_us = *self.zero_us.get_or_insert(line.sent_ns / NS_PER_US);
        let at = |t_ns: u64| (t_ns / NS_PER_US) as i64 - zero_us as i64;
        self.sent.push(at(line.sent_ns));
        self.answered.push(at(line.first_ns.unwrap_or(line.end_ns)));
        self.ended.push(at(line.end_ns));
    }

    pub(super) fn pack(&mut self) {
        self.sent.pack();
        self.answered.pack();
        self.ended.pack();
    }

    /// The load over time; `None` if no request was sent.
    pub(super) fn finish(self) -> Option<Load> {
        let start = self.sent.sorted().next().map(|(t, _)| t)?;
        let end = self.ended.sorted().last().map(|(t, _)| t)?;
        let width = (end - start).max(0) / SPANS as i64 + 1;
        let mut spans: Vec<LoadSpan> = Vec::with_capacity(SPANS);
        let mut now = LoadSpan::from_moment(0, 0);
        let mut sent = Passed::new(self.sent.sorted());
        let mut answered = Passed::new(self.answered.sorted());
        let mut ended = Passed::new(self.ended.sorted());
        while let Some(last) = ended.next {
            let next = [sent.next, answered.next].into_iter().flatten();
            let t = next.fold(last, i64::min);
            sent.pass(t);
            answered.pass(t);
            ended.pass(t);
            let place = ((t - start) / width).max(0) as usize;
            // What lasted until this moment fills the spans up to it.
            if !spans.is_empty() {
                spans.resize(spans.len().max(place + 1), now);
            }
            now = LoadSpan::from_moment(
                sent.n.saturating_sub(ended.n),
                sent.n.saturating_sub(answered.n),
            );
            match spans.get_mut(place) {
                Some(span) => span.join(now),
                None => spans.push(now),
            }
        }
        Some(Load {
            start_ns: (self.zero_us? as i64 + start) as u64 * NS_PER_US,
            span_ns: width as u64 * NS_PER_US,
            spans,
        })
    }
}

/// Sorted times, of which some have passed.
struct Passed<I> {
    times: I,
    /// The first that has not, and how often it comes.
    next: Option<i64>,
    next_times: usize,
    /// How many have.
    n: usize,
}

impl<I: Iterator<Item = (i64, usize)>> Passed<I> {
    fn new(times: I) -> Self {
        let mut passed = Self {
            times,
            next: None,
            next_times: 0,
            n: 0,
        };
        passed.advance();
        passed
    }

    /// Lets those pass that are not after `t`.
    fn pass(&mut self, t: i64) {
        while self.next.is_some_and(|next| next <= t) {
            self.n += self.next_times;
            self.advance();
        }
    }

    fn advance(&mut self) {
        let (next, times) = self.times.next().unzip();
        self.next = next;
        self.next_times = times.unwrap_or(0);
    }
}

impl LoadSpan {
    fn from_moment(in_flight: usize, waiting: usize) -> Self {
        let [in_flight, waiting] = [in_flight, waiting].map(|n| (n as u64, n as u64));
        Self { in_flight, waiting }
    }

    fn join(&mut self, other: Self) {
        let join = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
        self.in_flight = join(self.in_flight, other.in_flight);
        self.waiting = join(self.waiting, other.waiting);
    }
}

impl Load {
    /// The same in at most `most` spans: neighbours become one.
    pub(crate) fn in_spans(mut self, most: usize) -> Self {
        while self.spans.len() > most.max(1) {
            self.span_ns = self.span_ns.saturating_mul(2);
            let pairs = self.spans.chunks(2).map(|pair| {
                let mut joined = pair[0];
                pair.iter().for_each(|span| joined.join(*span));
                joined
            });
            self.spans = pairs.collect();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn line(sent_ms: u64, first_ms: Option<u64>, end_ms: u64) -> Line {
        Line {
            index: 0,
            sent_ns: sent_ms * MS,
            first_ns: first_ms.map(|ms| ms * MS),
            last_ns: end_ms * MS,
            end_ns: end_ms * MS,
            failed: first_ms.is_none(),
        }
    }

    fn load(lines: &[Line]) -> Load {
        let mut in_flight = InFlight::default();
        lines.iter().for_each(|line| in_flight.add(line));
        in_flight.finish().unwrap()
    }

    /// What is in flight and waits at a moment, by the span around it.
    fn at(load: &Load, ms: u64) -> LoadSpan {
        load.spans[((ms * MS - load.start_ns) / load.span_ns) as usize]
    }

    #[test]
    fn requests_in_flight_are_counted_over_time() {
        // two overlap from 120 to 160 ms; the third gets no output at all
        let load = load(&[
            line(120, Some(140), 260),
            line(100, Some(130), 160),
            line(300, None, 356),
        ]);
        assert_eq!(load.start_ns, 100 * MS);
        // 256 ms in 256 spans of a millisecond and a microsecond
        assert_eq!(load.span_ns, 1_001_000);
        for (ms, in_flight, waiting) in [
            (110, 1, 1),
            (125, 2, 2),
            (135, 2, 1),
            (150, 2, 0),
            (200, 1, 0),
            (280, 0, 0),
            (330, 1, 1),
        ] {
            let span = at(&load, ms);
            assert_eq!(span.in_flight, (in_flight, in_flight), "at {ms} ms");
            assert_eq!(span.waiting, (waiting, waiting), "at {ms} ms");
        }
    }

    #[test]
    fn a_slot_that_is_taken_again_at_once_never_counts_twice_or_as_free() {
        let load = load(&[
            line(0, Some(10), 100),
            line(100, Some(110), 200),
            line(200, Some(210), 300),
        ]);
        let last = load.spans.len() - 1;
        for span in &load.spans[..last] {
            assert_eq!(span.in_flight, (1, 1));
        }
        assert_eq!(load.spans[last].in_flight, (0, 1));
    }

    #[test]
    fn fewer_spans_keep_the_least_and_the_most() {
        let lines: Vec<Line> = (0..20)
            .map(|n| line(n * 10, Some(n * 10 + 1), 1000))
            .chain([line(500, Some(501), 502)])
            .collect();
        let load = load(&lines).in_spans(8);
        assert_eq!(load.spans.len(), 8);
        let most = load.spans.iter().map(|span| span.in_flight.1).max();
        assert_eq!(most, Some(21));
        assert_eq!(load.spans[2].in_flight, (20, 20));
        assert_eq!(load.spans[0].in_flight, (1, 13));
        assert_eq!(load.spans[7].in_flight, (0, 20));
    }
}
