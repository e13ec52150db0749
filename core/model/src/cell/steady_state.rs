//! Whether a cell's figures were steady over its measured window: tested, not
//! assumed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::sent_order::{SentOrder, SentRequest};
use crate::facts::record::RequestRecord;
use crate::facts::window::Window;
use crate::stats::median;
use crate::stats::trend::{MIN_TREND, Trend, trend};

/// At most this many spans, of equal length or of equally many requests, whose
/// values are tested.
const SPANS: usize = 20;
/// Requests that a span has at least.
const SPAN_REQUESTS: usize = 3;
/// p value below which a trend is none of chance where one repeat is known.
pub(crate) const ALPHA: f64 = 0.01;
/// The same where several are: more than half of them must go the same way, which
/// makes a false one rarer still.
const ALPHA_OF_SEVERAL: f64 = 0.05;
/// Change over the window, as a share of the median, from which on a trend
/// matters.
const LEAST_CHANGE: f64 = 0.10;

/// The trend of each series over the measured window; one is absent if there
/// are too few requests to tell, fewer than thirty, or if it never changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trends {
    /// Output tokens in each twentieth of the window; the tokens of a request
    /// count as spread evenly from its first output to its last.
    pub output_tokens: Option<Trend>,
    /// Median `ttft_ms` of the requests in the order of their sends, in up to
    /// twenty groups.
    pub ttft_ms: Option<Trend>,
    /// The same of `tpot_ms`.
    pub tpot_ms: Option<Trend>,
}

impl Trends {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Trend {
    /// Whether it is too clear for chance and too large to ignore, where so many
    /// repeats are known: a change of 10 % or more that chance gives in at most 1 %,
    /// in 5 % if there are several.
    #[must_use]
    pub fn matters(&self, repeats: usize) -> bool {
        self.p < alpha(repeats) && self.is_large()
    }

    /// Whether it would matter if requests were independent of each other. If it does
    /// not as much as these depend on each other, chance may have given it, and a
    /// longer measurement would tell.
    #[must_use]
    pub fn may_matter(&self) -> bool {
        self.p_if_independent.unwrap_or(self.p) < ALPHA && self.is_large()
    }

    fn is_large(&self) -> bool {
        self.change.abs() >= LEAST_CHANGE
    }
}

fn alpha(repeats: usize) -> f64 {
    if repeats > 1 { ALPHA_OF_SEVERAL } else { ALPHA }
}

/// What a trend takes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    sent_ns: Option<u64>,
    outputs_ns: Option<(u64, u64)>,
    output_tokens: Option<u32>,
    /// Its latencies count: it was measured, and succeeded.
    counts: bool,
    ttft_ms: Option<f64>,
    tpot_ms: Option<f64>,
}

impl From<&RequestRecord> for Seen {
    fn from(record: &RequestRecord) -> Self {
        Self {
            sent_ns: record.sent_ns,
            outputs_ns: record.first_output_ns.zip(record.last_output_ns),
            output_tokens: record.output_tokens,
            counts: record.counts(),
            ttft_ms: record.ttft_ms,
            tpot_ms: record.tpot_ms,
        }
    }
}

/// A cell's requests, as far as they have been taken in.
#[derive(Debug, Default)]
pub(crate) struct TrendFold {
    tokens: [f64; SPANS],
    requests: usize,
    /// How many of them have each value.
    with_ttft: usize,
    with_tpot: usize,
    sent: SentOrder,
}

impl TrendFold {
    /// Takes a successful request of any phase: what warm-up sent goes on into
    /// the window.
    pub(crate) fn add(&mut self, window: Window, seen: &Seen) {
        self.add_tokens(window, seen);
        let sent_ns = seen.sent_ns.filter(|sent_ns| window.contains(*sent_ns));
        let Some(sent_ns) = sent_ns.filter(|_| seen.counts) else {
            return;
        };
        self.requests += 1;
        // The order is what counts: a window of more than an hour ends in ties.
        let at_us = u32::try_from((sent_ns - window.start_ns) / 1_000).unwrap_or(u32::MAX);
        self.with_ttft += usize::from(seen.ttft_ms.is_some());
        self.with_tpot += usize::from(seen.tpot_ms.is_some());
        self.sent.push(SentRequest {
            at_us,
            ttft_ms: seen.ttft_ms.map(|ms| ms as f32),
            tpot_ms: seen.tpot_ms.map(|ms| ms as f32),
        });
    }

    pub(crate) fn pack(&mut self) {
        self.sent.pack();
    }

    fn add_tokens(&mut self, window: Window, seen: &Seen) {
        let outputs = seen.outputs_ns.zip(seen.output_tokens);
        let Some(((first_ns, last_ns), tokens)) = outputs else {
            return;
        };
        let length = (window.end_ns - window.start_ns) as f64 / SPANS as f64;
        // One event is a moment: it gets the least length there is.
        let (first, last) = (
            first_ns as f64,
            (last_ns.max(first_ns.saturating_add(1))) as f64,
        );
        let rate = f64::from(tokens) / (last - first);
        for (place, span) in self.tokens.iter_mut().enumerate() {
            let start = window.start_ns as f64 + place as f64 * length;
            let inside = last.min(start + length) - first.max(start);
            *span += rate * inside.max(0.0);
        }
    }

    pub(crate) fn trends(&self) -> Trends {
        if self.requests < MIN_TREND * SPAN_REQUESTS {
            return Trends::default();
        }
        let mut ttft = Groups::new(self.with_ttft);
        let mut tpot = Groups::new(self.with_tpot);
        for request in self.sent.in_order() {
            ttft.extend(request.ttft_ms);
            tpot.extend(request.tpot_ms);
        }
        Trends {
            output_tokens: trend(&self.tokens),
            ttft_ms: trend(&ttft.medians),
            tpot_ms: trend(&tpot.medians),
        }
    }
}

/// Medians of groups of equally many values in the order of their sends, but
/// for one more or less.
struct Groups {
    values: usize,
    groups: usize,
    taken: usize,
    group: Vec<f64>,
    medians: Vec<f64>,
}

impl Groups {
    /// Those of so many values.
    fn new(values: usize) -> Self {
        Self {
            values,
            groups: SPANS.min(values / SPAN_REQUESTS),
            taken: 0,
            group: Vec::new(),
            medians: Vec::new(),
        }
    }

    /// Takes the next value, if there is one.
    fn extend(&mut self, value: Option<f32>) {
        let Some(value) = value.filter(|_| self.groups > 0) else {
            return;
        };
        self.group.push(f64::from(value));
        self.taken += 1;
        let end = (self.medians.len() + 1) * self.values / self.groups;
        if self.taken == end {
            self.medians.extend(median(self.group.drain(..)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const WINDOW: Window = Window {
        start_ns: 0,
        end_ns: 20 * SECOND,
    };

    /// Sent at `sent_s`, its first output after `ttft_ms`, ten tokens over the
    /// second that follows.
    fn request(sent_s: f64, ttft_ms: f64) -> Seen {
        let sent_ns = (sent_s * SECOND as f64) as u64;
        let first_ns = sent_ns + (ttft_ms * 1e6) as u64;
        Seen {
            sent_ns: Some(sent_ns),
            outputs_ns: Some((first_ns, first_ns + SECOND)),
            output_tokens: Some(10),
            counts: true,
            ttft_ms: Some(ttft_ms),
            tpot_ms: None,
        }
    }

    fn trends(requests: impl Iterator<Item = Seen>) -> Trends {
        let mut fold = TrendFold::default();
        requests.for_each(|request| fold.add(WINDOW, &request));
        fold.trends()
    }

    #[test]
    fn a_first_token_that_comes_later_and_later_is_a_trend() {
        let found = trends((0..60).map(|i| request(f64::from(i) / 3.0, 100.0 + f64::from(i))));
        let ttft = found.ttft_ms.unwrap();
        // Groups of three: medians 101, 104, .. 158, so 57 over a median of 129.5
        assert!(ttft.matches_change(57.0 / 129.5) && ttft.matters(1));
        assert_eq!(found.tpot_ms, None);
    }

    #[test]
    fn tokens_are_spread_over_the_time_in_which_they_came() {
        let mut fold = TrendFold::default();
        // From 1.5 s to 2.5 s: half of the ten in the second second, half in the third.
        fold.add(WINDOW, &request(1.0, 500.0));
        assert_eq!(fold.tokens[..4], [0.0, 5.0, 5.0, 0.0]);
        // From 19.5 s on: what comes after the window does not count.
        fold.add(WINDOW, &request(19.0, 500.0));
        assert_eq!(fold.tokens[19], 5.0);
    }

    #[test]
    fn a_throughput_that_falls_to_half_is_a_trend_and_a_level_one_is_not() {
        // Two a second in the first half, one a second in the second.
        let early = (0..20).map(|i| f64::from(i) / 2.0);
        let late = (10..20).map(f64::from);
        let falling = early.chain(late).map(|sent_s| request(sent_s, 0.0));
        let found = trends(falling).output_tokens.unwrap();
        // One fall is what requests that depend on each other may give by chance: the
        // other repeats tell.
        assert!(found.may_matter() && !found.matters(1), "{found:?}");
        assert!(found.change < 0.0, "{found:?}");
        let level = (0..40).map(|i| request(f64::from(i) / 2.0, 0.0));
        let found = trends(level).output_tokens;
        assert!(found.is_none_or(|trend| !trend.matters(1)), "{found:?}");
    }

    #[test]
    fn thirty_requests_have_a_trend_and_fewer_have_none() {
        let first = |n: i32| trends((0..n).map(|i| request(f64::from(i) / 3.0, f64::from(i + 1))));
        assert!(first(29).is_empty());
        assert!(first(30).ttft_ms.is_some());
    }

    #[test]
    fn requests_outside_the_window_say_nothing() {
        let found = trends((0..60).map(|i| request(21.0 + f64::from(i), f64::from(i + 1))));
        assert!(found.is_empty());
    }

    impl Trend {
        fn matches_change(&self, expected: f64) -> bool {
            (self.change - expected).abs() < 1e-6
        }
    }
}
