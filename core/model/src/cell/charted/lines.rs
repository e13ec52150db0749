//! Some requests of a cell as lines over time: a random sample, and those that a
//! reader looks for: the slowest to their first token, the longest, the failed.

use crate::facts::record::RequestRecord;

/// Requests of the sample at most.
const SAMPLE: usize = 256;
/// Requests that are kept of the slowest, of the longest and of the failed.
const EXTREMES: usize = 16;
/// One in this many drawn requests may be of each of these kinds.
const SHARE: usize = 8;

/// One request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Index in the cell.
    pub(crate) index: u64,
    pub(crate) sent_ns: u64,
    /// Its first output came; absent if none did.
    pub(crate) first_ns: Option<u64>,
    /// Its last output came, or the exchange ended if none did or it failed.
    pub(crate) last_ns: u64,
    /// The exchange ended.
    pub(crate) end_ns: u64,
    pub(crate) failed: bool,
}

impl Line {
    /// The line of a request; `None` if it was never sent.
    pub(super) fn from_record(record: &RequestRecord) -> Option<Self> {
        let last = record.last_output_ns.filter(|_| record.is_ok());
        Some(Self {
            index: record.index,
            sent_ns: record.sent_ns?,
            first_ns: record.first_output_ns,
            last_ns: last.unwrap_or(record.end_ns),
            end_ns: record.end_ns,
            failed: !record.is_ok(),
        })
    }

    /// From sent to the first output, or to the end without any.
    fn wait_ns(&self) -> u64 {
        let first_ns = self.first_ns.unwrap_or(self.last_ns);
        first_ns.saturating_sub(self.sent_ns)
    }

    fn length_ns(&self) -> u64 {
        self.last_ns.saturating_sub(self.sent_ns)
    }

    /// A pseudo-random number, fixed by the index: the last step of
    /// SplitMix64.
    fn lot(&self) -> u64 {
        let mut lot = self.index.wrapping_add(0x9e37_79b9_7f4a_7c15);
        lot = (lot ^ lot >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ lot >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        lot ^ lot >> 31
    }
}

/// The requests of a cell that are kept. Which ones does not depend on the
/// order in which they are taken in.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Requests that were sent.
    pub(crate) n: usize,
    sample: Largest,
    failed: Largest,
    slowest: Largest,
    longest: Largest,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            n: 0,
            sample: Largest::new(SAMPLE, Line::lot),
            failed: Largest::new(EXTREMES, Line::lot),
            slowest: Largest::new(EXTREMES, Line::wait_ns),
            longest: Largest::new(EXTREMES, Line::length_ns),
        }
    }
}

impl Lines {
    pub(super) fn add(&mut self, line: Line) {
        self.n += 1;
        self.sample.add(line);
        self.longest.add(line);
        if line.first_ns.is_some() {
            self.slowest.add(line);
        }
        if line.failed {
            self.failed.add(line);
        }
    }

    /// At most `most` of them, 4 or more, by the time they were sent.
    pub(crate) fn chosen(&self, most: usize) -> Vec<Line> {
        let each = (most / SHARE).max(1);
        let extremes = [&self.slowest, &self.longest, &self.failed];
        let extremes = extremes.into_iter().flat_map(|kind| kind.first(each));
        let mut chosen: Vec<Line> = extremes.copied().collect();
        chosen.sort_unstable_by_key(|line| line.index);
        chosen.dedup();
        let mut rest = self.sample.list.clone();
        rest.retain(|line| !chosen.contains(line));
        rest.truncate(most.saturating_sub(chosen.len()));
        chosen.append(&mut rest);
        chosen.sort_unstable_by_key(|line| (line.sent_ns, line.index));
        chosen
    }
}

/// The largest of some requests by a key, largest first; of equals those with
/// the lowest index.
#[derive(Debug)]
struct Largest {
    room: usize,
    key: fn(&Line) -> u64,
    list: Vec<Line>,
}

impl Largest {
    fn new(room: usize, key: fn(&Line) -> u64) -> Self {
        Self {
            room,
            key,
            list: Vec::new(),
        }
    }

    fn add(&mut self, line: Line) {
        let rank = |line: &Line| ((self.key)(line), std::cmp::Reverse(line.index));
        let place = self.list.partition_point(|other| rank(other) > rank(&line));
        if place < self.room {
            self.list.truncate(self.room - 1);
            self.list.insert(place, line);
        }
    }

    fn first(&self, n: usize) -> &[Line] {
        &self.list[..n.min(self.list.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent every 10 ns, first output after 3 ns, last after 8.
    fn line(index: u64) -> Line {
        let sent_ns = 1000 + index * 10;
        Line {
            index,
            sent_ns,
            first_ns: Some(sent_ns + 3),
            last_ns: sent_ns + 8,
            end_ns: sent_ns + 9,
            failed: false,
        }
    }

    fn lines(all: impl IntoIterator<Item = Line>) -> Lines {
        let mut lines = Lines::default();
        all.into_iter().for_each(|line| lines.add(line));
        lines
    }

    fn indices(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.index).collect()
    }

    #[test]
    fn few_requests_are_all_kept() {
        let kept = lines((0..40).map(line)).chosen(40);
        assert_eq!(indices(&kept), (0..40).collect::<Vec<u64>>());
    }

    #[test]
    fn of_many_requests_the_extremes_are_kept() {
        let all = (0..10_000).map(|index| {
            let mut line = line(index);
            match index {
                // slow to its first token, and no longer than the others
                4_001 => line.first_ns = Some(line.sent_ns + 7),
                6_003 => line.last_ns = line.sent_ns + 500,
                7_005 => {
                    line.failed = true;
                    line.first_ns = None;
                }
                _ => {}
            }
            line
        });
        let lines = lines(all);
        let kept = lines.chosen(100);
        assert_eq!(lines.n, 10_000);
        assert_eq!(kept.len(), 100);
        for index in [4_001, 6_003, 7_005] {
            assert!(indices(&kept).contains(&index), "{index} is not kept");
        }
    }

    #[test]
    fn the_sample_is_spread_over_the_cell() {
        let kept = lines((0..10_000).map(line)).chosen(200);
        // 50 are expected in a quarter, with a deviation of 6
        for quarter in 0..4 {
            let own = kept.iter().filter(|line| line.index / 2_500 == quarter);
            assert!((26..=74).contains(&own.count()), "quarter {quarter}");
        }
    }

    #[test]
    fn the_order_of_taking_in_does_not_matter() {
        let forth = lines((0..3_000).map(line));
        let back = lines((0..3_000).rev().map(line));
        assert_eq!(forth.chosen(200), back.chosen(200));
    }
}
