//! Gaps between output events by their position in the answer.

use crate::facts::record::RequestRecord;
use crate::stats::histogram::Histogram;
use crate::text::units::signed_ns_of_ms;

/// Bins of positions at most: where answers are longer, neighbours become one.
const MOST_BINS: usize = 128;
/// Gaps that p99 needs.
const P99_NEEDS: usize = 100;
/// Gaps of one cell by position.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    /// Doublings of a bin's width, which begins at one position.
    doublings: u32,
    bins: Vec<Bin>,
}

#[derive(Debug, Default)]
struct Bin {
    gaps: Histogram,
    longest_ns: u64,
}

/// Gaps of several cells in one bin of positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PositionGaps {
    /// Its first position: gap k lies between output events k and k + 1.
    pub(crate) position: u64,
    /// Gaps in it.
    pub(crate) n: usize,
    /// Half of them are not longer, ns to three digits.
    pub(crate) p50_ns: u64,
    /// 99 of 100 are not longer, ns to three digits; absent below 100 gaps.
    pub(crate) p99_ns: Option<u64>,
    /// The longest, ns.
    pub(crate) longest_ns: u64,
}

impl Positions {
    /// Takes in the gaps of a request that counts.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let gaps = &record.itl_ms;
        while gaps.len() > MOST_BINS << self.doublings {
            self.widen();
        }
        for (at, gap) in gaps.iter().enumerate() {
            let bin = at >> self.doublings;
            if bin == self.bins.len() {
                self.bins.push(Bin::default());
            }
            self.bins[bin].add(signed_ns_of_ms(*gap).unsigned_abs());
        }
    }

    fn widen(&mut self) {
        self.doublings += 1;
        let mut wider: Vec<Bin> = Vec::with_capacity(MOST_BINS);
        for (at, bin) in self.bins.drain(..).enumerate() {
            match wider.last_mut() {
                Some(last) if at % 2 == 1 => last.absorb(&bin),
                _ => wider.push(bin),
            }
        }
        self.bins = wider;
    }

    pub(super) fn pack(&mut self) {
        self.bins.iter_mut().for_each(|bin| bin.gaps.pack());
        self.bins.shrink_to_fit();
    }

    /// Several cells as one: positions in a bin, and the bins in their order.
    pub(crate) fn together(cells: &[&Self]) -> (u64, Vec<PositionGaps>) {
        let doublings = cells.iter().map(|cell| cell.doublings).max().unwrap_or(0);
        let bins_of = |cell: &&Self| (cell.bins.len() << cell.doublings).div_ceil(1 << doublings);
        let bins = cells.iter().map(bins_of).max().unwrap_or(0);
        let found = (0..bins).filter_map(|bin| {
            let within = cells.iter().flat_map(|cell| cell.within(bin, doublings));
            let position = ((bin as u64) << doublings) + 1;
            together(position, &within.collect::<Vec<_>>())
        });
        (1 << doublings, found.collect())
    }

    /// The own bins that lie in a bin of `doublings`.
    fn within(&self, bin: usize, doublings: u32) -> &[Bin] {
        let finer = doublings - self.doublings;
        let end = ((bin + 1) << finer).min(self.bins.len());
        self.bins.get(bin << finer..end).unwrap_or_default()
    }
}

fn together(position: u64, parts: &[&Bin]) -> Option<PositionGaps> {
    let mut all = Bin::default();
    parts.iter().for_each(|bin| all.absorb(bin));
    let n = all.gaps.len();
    // The smallest value that a share of p/100 does not exceed.
    let rank = |p: usize| (n * p).div_ceil(100).checked_sub(1);
    let at = |p: usize| all.gaps.at(rank(p)?);
    Some(PositionGaps {
        position,
        n,
        p50_ns: at(50)?,
        p99_ns: at(99).filter(|_| n >= P99_NEEDS),
        longest_ns: all.longest_ns,
    })
}

impl Bin {
    fn add(&mut self, gap_ns: u64) {
        self.gaps.add(gap_ns);
        self.longest_ns = self.longest_ns.max(gap_ns);
    }

    fn absorb(&mut self, other: &Self) {
        self.gaps.absorb(&other.gaps);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(answers: &[Vec<u64>]) -> Positions {
        let mut positions = Positions::default();
        for gaps in answers {
            let record = crate::cell::charted::tests::answer(gaps);
            positions.add(&record);
        }
        positions
    }

    #[test]
    fn gaps_are_reported_by_their_position() {
        // first gaps of 10, 20 and 30 ms, second ones of 5 and 40, one third
        let positions = positions(&[vec![10, 5], vec![30, 40, 7], vec![20]]);
        let (width, bins) = Positions::together(&[&positions]);
        assert_eq!(width, 1);
        let found: Vec<(u64, usize, u64, u64)> = bins
            .iter()
            .map(|bin| (bin.position, bin.n, bin.p50_ns, bin.longest_ns))
            .collect();
        let ms = 1_000_000;
        assert_eq!(
            found,
            [
                (1, 3, 20 * ms, 30 * ms),
                (2, 2, 5 * ms, 40 * ms),
                (3, 1, 7 * ms, 7 * ms)
            ]
        );
        assert!(bins.iter().all(|bin| bin.p99_ns.is_none()));
    }

    #[test]
    fn p99_is_reported_from_a_hundred_gaps_on() {
        let answers: Vec<Vec<u64>> = (1..=100).map(|ms| vec![ms]).collect();
        let (_, bins) = Positions::together(&[&positions(&answers)]);
        assert_eq!(bins[0].p50_ns, 50_000_000);
        assert_eq!(bins[0].p99_ns, Some(99_000_000));
        let (_, bins) = Positions::together(&[&positions(&answers[..99])]);
        assert_eq!(bins[0].p99_ns, None);
    }

    #[test]
    fn long_answers_share_bins_and_keep_their_longest_gap() {
        // 300 gaps of 1 ms need bins of 4 positions; the 202nd is in the 51st
        let mut long = vec![1; 300];
        long[201] = 90;
        let positions = positions(&[vec![2; 3], long]);
        let (width, bins) = Positions::together(&[&positions]);
        assert_eq!((width, bins.len()), (4, 75));
        assert_eq!((bins[0].position, bins[0].n), (1, 7));
        assert_eq!((bins[50].position, bins[50].longest_ns), (201, 90_000_000));
        assert_eq!(bins[50].p50_ns, 1_000_000);
        assert!(bins[1..50].iter().all(|bin| bin.longest_ns == 1_000_000));
    }

    #[test]
    fn repeats_with_bins_of_different_widths_are_one() {
        let short = positions(&[vec![3, 3, 3, 3, 9]]);
        let long = positions(&[vec![1; 300]]);
        let (width, bins) = Positions::together(&[&short, &long]);
        assert_eq!((width, bins.len()), (4, 75));
        assert_eq!((bins[0].n, bins[0].longest_ns), (8, 3_000_000));
        assert_eq!((bins[1].n, bins[1].longest_ns), (5, 9_000_000));
    }
}
