//! Values of a cell's requests in the order in which they were sent, packed: sorted in
//! runs by the time of the send, each kept as the steps between neighbours.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::stats::varint::{read_number, write_number};

/// Requests that are sorted together; they take 3 MiB until they are.
const RUN: usize = 1 << 17;
/// Bits below a step: which values follow it.
const HAS_TTFT: u64 = 1;
const HAS_TPOT: u64 = 2;
const FLAG_BITS: u32 = 2;

/// When a request was sent, us after the window's start, and what it got. Small, since
/// there is one for each request of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SentRequest {
    pub(super) at_us: u32,
    pub(super) ttft_ms: Option<f32>,
    pub(super) tpot_ms: Option<f32>,
}

/// Requests that are taken in any order and come back in that of their sends; of those
/// that were sent together, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct SentOrder {
    bytes: Vec<u8>,
    /// Where each run begins.
    runs: Vec<usize>,
    /// Requests that are not packed yet.
    fresh: Vec<SentRequest>,
}

impl SentOrder {
    pub(super) fn push(&mut self, request: SentRequest) {
        self.fresh.push(request);
        if self.fresh.len() >= RUN {
            self.pack_run();
        }
    }

    /// Packs what is left and gives back the room for more: to be called when no more
    /// requests come for now.
    pub(super) fn pack(&mut self) {
        self.pack_run();
        self.fresh = Vec::new();
        self.bytes.shrink_to_fit();
    }

    fn pack_run(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        self.runs.push(self.bytes.len());
        self.fresh.sort_by_key(|request| request.at_us);
        let mut last_us = 0;
        for request in self.fresh.drain(..) {
            let step = u64::from(request.at_us - last_us);
            let has = |value: Option<f32>, flag: u64| value.map_or(0, |_| flag);
            let flags = has(request.ttft_ms, HAS_TTFT) | has(request.tpot_ms, HAS_TPOT);
            write_number(&mut self.bytes, step << FLAG_BITS | flags);
            for value in [request.ttft_ms, request.tpot_ms].into_iter().flatten() {
                self.bytes.extend(value.to_le_bytes());
            }
            last_us = request.at_us;
        }
    }

    /// All of them, in the order of their sends. Of each run one is in memory.
    pub(super) fn in_order(&self) -> impl Iterator<Item = SentRequest> {
        let ends = self.runs.iter().skip(1).copied();
        let ends = ends.chain([self.bytes.len()]);
        let runs = self.runs.iter().zip(ends);
        let mut runs: Vec<Run<'_>> = runs
            .map(|(from, to)| Run {
                bytes: &self.bytes[*from..to],
                at_us: 0,
            })
            .collect();
        let mut fresh = self.fresh.clone();
        fresh.sort_by_key(|request| request.at_us);
        let mut fresh = fresh.into_iter();
        let last = runs.len();
        let mut heads: Vec<Option<SentRequest>> = runs.iter_mut().map(Iterator::next).collect();
        heads.push(fresh.next());
        let key = |place: usize, head: &Option<SentRequest>| {
            head.as_ref().map(|head| Reverse((head.at_us, place)))
        };
        let keys = heads.iter().enumerate();
        let mut next: BinaryHeap<_> = keys.filter_map(|(place, head)| key(place, head)).collect();
        std::iter::from_fn(move || {
            let Reverse((_, place)) = next.pop()?;
            let following = match place == last {
                true => fresh.next(),
                false => runs[place].next(),
            };
            next.extend(key(place, &following));
            std::mem::replace(&mut heads[place], following)
        })
    }
}

/// One run, from its next request on.
struct Run<'a> {
    bytes: &'a [u8],
    at_us: u32,
}

impl Run<'_> {
    fn value(&mut self) -> Option<f32> {
        let (value, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(f32::from_le_bytes(*value))
    }
}

impl Iterator for Run<'_> {
    type Item = SentRequest;

    fn next(&mut self) -> Option<SentRequest> {
        let number = read_number(&mut self.bytes)?;
        self.at_us += (number >> FLAG_BITS) as u32;
        let ttft_ms = (number & HAS_TTFT > 0).then(|| self.value()).flatten();
        let tpot_ms = (number & HAS_TPOT > 0).then(|| self.value()).flatten();
        Some(SentRequest {
            at_us: self.at_us,
            ttft_ms,
            tpot_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_come_back_as_a_stable_sort_orders_them(
            requests in prop::collection::vec(
                (0_u32..30, any::<Option<f32>>(), any::<Option<f32>>()), 0..200,
            ),
            packed_after in prop::collection::vec(any::<bool>(), 200),
        ) {
            let mut order = SentOrder::default();
            let mut expected = Vec::new();
            for ((at_us, ttft_ms, tpot_ms), packs) in requests.into_iter().zip(packed_after) {
                let request = SentRequest { at_us, ttft_ms, tpot_ms };
                order.push(request);
                expected.push(request);
                if packs && at_us % 7 == 0 {
                    order.pack();
                }
            }
            expected.sort_by_key(|request| request.at_us);
            let bits = |all: Vec<SentRequest>| -> Vec<_> {
                let bits = |value: Option<f32>| value.map(f32::to_bits);
                all.into_iter().map(|r| (r.at_us, bits(r.ttft_ms), bits(r.tpot_ms))).collect()
            };
            prop_assert_eq!(bits(order.in_order().collect()), bits(expected));
        }
    }

    #[test]
    fn a_request_takes_ten_bytes() {
        let mut order = SentOrder::default();
        for place in 0..1000_u32 {
            let value = Some(place as f32);
            order.push(SentRequest {
                at_us: place * 31,
                ttft_ms: value,
                tpot_ms: value,
            });
        }
        order.pack();
        assert!(order.bytes.len() < 10 * 1000, "{}", order.bytes.len());
    }
}
