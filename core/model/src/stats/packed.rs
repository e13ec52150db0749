//! A sample of whole numbers, packed so that millions of them fit and exact
//! percentiles still come out: sorted in runs, each kept as the steps between
//! neighbours, most of which take one byte.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

/// Default number of values that are sorted together. More make smaller steps and
/// a larger buffer; these take 4 MiB.
const RUN: usize = 1 << 20;
/// Lower bits of a 32-bit value, for counting by its upper and then its lower
/// ones: 2 MiB for the upper ones, and 32 KiB for each value that is looked for.
const LOWER_BITS: u32 = 13;
const UPPERS: usize = 1 << (u32::BITS - LOWER_BITS);
const LOWERS: usize = 1 << LOWER_BITS;
/// Values of several samples that are sorted rather than counted.
const FEW: usize = 1 << 16;
/// Code that begins a run; its value follows.
const BEGIN: u64 = 0;
/// Code that repeats the last value; how many times follows.
const REPEAT: u64 = 1;
/// Code of a step of 0; a step is written as itself plus this.
const STEP: u64 = 1;

/// A sample of whole numbers in any order: nanoseconds, or tokens.
#[derive(Debug, Clone)]
pub struct Packed {
    /// Values that are sorted together.
    run: usize,
    bytes: Vec<u8>,
    /// Where each run begins.
    runs: Vec<usize>,
    /// Values that are not packed yet.
    fresh: Vec<u32>,
    /// Values that do not fit 32 bits: 4.3 s and more, or below 0.
    wide: Vec<i64>,
    n: usize,
    sum: i128,
    squares: u128,
}

impl Default for Packed {
    fn default() -> Self {
        Self::with_run(RUN)
    }
}

impl Packed {
    /// An empty sample of which `run` values are sorted together: as many take 4
    /// bytes each until they are.
    pub(crate) fn with_run(run: usize) -> Self {
        Self {
            run,
            bytes: Vec::new(),
            runs: Vec::new(),
            fresh: Vec::new(),
            wide: Vec::new(),
            n: 0,
            sum: 0,
            squares: 0,
        }
    }
    pub fn push(&mut self, value: i64) {
        self.n += 1;
        self.sum += i128::from(value);
        let square = u128::from(value.unsigned_abs()).pow(2);
        self.squares = self.squares.saturating_add(square);
        match u32::try_from(value) {
            Ok(value) => {
                self.fresh.push(value);
                if self.fresh.len() >= self.run {
                    self.pack_run();
                }
            }
            Err(_) => self.wide.push(value),
        }
    }

    /// Packs what is left and gives back the room for more: to be called when
    /// no more values come for now.
    pub fn pack(&mut self) {
        self.pack_run();
        self.fresh = Vec::new();
        self.bytes.shrink_to_fit();
        self.wide.shrink_to_fit();
    }

    /// The values in ascending order, each with how often it comes there; a value may come
    /// several times in a row. Of each run one value is in memory.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (i64, usize)> {
        let ends = self.runs.iter().skip(1).copied();
        let ends = ends.chain([self.bytes.len()]);
        let mut runs: Vec<Unpack<'_>> = self
            .runs
            .iter()
            .zip(ends)
            .map(|(from, to)| Unpack {
                bytes: &self.bytes[*from..to],
                value: 0,
            })
            .collect();
        let next_of = |(place, run): (usize, &mut Unpack<'_>)| {
            let (value, times) = run.next()?;
            Some(Reverse((i64::from(value), place, times)))
        };
        let mut next: BinaryHeap<_> = runs.iter_mut().enumerate().filter_map(next_of).collect();
        let mut others: Vec<i64> = self.fresh.iter().map(|value| i64::from(*value)).collect();
        others.extend(&self.wide);
        others.sort_unstable();
        let mut others = others.into_iter().peekable();
        std::iter::from_fn(move || {
            let first = next.peek().map(|Reverse((value, ..))| *value);
            if let Some(other) = others.next_if(|other| first.is_none_or(|first| *other <= first)) {
                return Some((other, 1));
            }
            let mut top = next.peek_mut()?;
            let Reverse((value, place, times)) = *top;
            match runs[place].next() {
                Some((value, times)) => *top = Reverse((i64::from(value), place, times)),
                None => drop(PeekMut::pop(top)),
            }
            Some((value, times))
        })
    }
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn pack_run(&mut self) {
        self.fresh.sort_unstable();
        let mut values = self.fresh.iter().copied();
        let Some(mut last) = values.next() else {
            return;
        };
        self.runs.push(self.bytes.len());
        write_number(&mut self.bytes, BEGIN);
        write_number(&mut self.bytes, u64::from(last));
        let mut repeats = 0;
        for value in values {
            if value == last {
                repeats += 1;
                continue;
            }
            write_repeats(&mut self.bytes, &mut repeats);
            write_number(&mut self.bytes, u64::from(value - last) + STEP);
            last = value;
        }
        write_repeats(&mut self.bytes, &mut repeats);
        self.fresh.clear();
    }

    /// Values of 32 bits with how often each occurs in its run, run after run.
    fn narrow(&self) -> impl Iterator<Item = (u32, usize)> {
        let unpacked = Unpack {
            bytes: &self.bytes,
            value: 0,
        };
        unpacked.chain(self.fresh.iter().map(|value| (*value, 1)))
    }
}

fn write_repeats(bytes: &mut Vec<u8>, repeats: &mut u64) {
    if *repeats > 0 {
        write_number(bytes, REPEAT);
        write_number(bytes, *repeats);
        *repeats = 0;
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
pub(crate) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number that was written so off `bytes`; `None` at their end.
pub(crate) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

struct Unpack<'a> {
    bytes: &'a [u8],
    value: u32,
}

impl Unpack<'_> {
    fn number(&mut self) -> Option<u64> {
        read_number(&mut self.bytes)
    }
}

impl Iterator for Unpack<'_> {
    type Item = (u32, usize);

    fn next(&mut self) -> Option<(u32, usize)> {
        match self.number()? {
            BEGIN => {
                self.value = self.number()? as u32;
                Some((self.value, 1))
            }
            REPEAT => Some((self.value, self.number()? as usize)),
            step => {
                self.value += (step - STEP) as u32;
                Some((self.value, 1))
            }
        }
    }
}

/// Several samples as one.
#[derive(Debug)]
pub struct Pool<'a>(Vec<&'a Packed>);

impl<'a> Pool<'a> {
    /// The samples together.
    #[must_use]
    pub fn new(parts: impl IntoIterator<Item = &'a Packed>) -> Self {
        Self(parts.into_iter().collect())
    }
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.n).sum()
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Arithmetic mean; absent if there is no value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let sum: i128 = self.0.iter().map(|part| part.sum).sum();
        (!self.is_empty()).then(|| sum as f64 / self.len() as f64)
    }

    /// Standard deviation with n - 1 in its denominator; absent below two
    /// values. Summed in whole numbers, so that nothing cancels out.
    #[must_use]
    pub fn std(&self) -> Option<f64> {
        let n = self.len();
        let sum: i128 = self.0.iter().map(|part| part.sum).sum();
        let squares: u128 = self.0.iter().map(|part| part.squares).sum();
        let mean_square = sum.unsigned_abs().saturating_pow(2) / n.max(1) as u128;
        (n > 1).then(|| (squares.saturating_sub(mean_square) as f64 / (n - 1) as f64).sqrt())
    }

    /// The values at these ranks of the sorted sample, from 0; a rank beyond
    /// the last is the last. Empty if there is no value.
    ///
    /// Takes two passes over the values, and 2 MiB and 32 KiB a rank at most,
    /// whatever the number of values.
    #[must_use]
    pub fn at(&self, ranks: &[usize]) -> Vec<i64> {
        let Some(last) = self.len().checked_sub(1) else {
            return Vec::new();
        };
        let mut wide: Vec<i64> = self.0.iter().flat_map(|p| p.wide.iter().copied()).collect();
        wide.sort_unstable();
        let below = wide.partition_point(|value| *value < 0);
        let narrow = last + 1 - wide.len();
        let inside = |rank: &usize| (below..below + narrow).contains(rank);
        let wanted: Vec<usize> = ranks.iter().map(|rank| (*rank).min(last)).collect();
        let asked: Vec<usize> = wanted
            .iter()
            .filter(|rank| inside(rank))
            .map(|rank| rank - below)
            .collect();
        let mut selected = self.select(&asked).into_iter();
        let value = |rank: usize| match rank {
            rank if rank < below => wide.get(rank).copied(),
            rank if rank < below + narrow => selected.next().map(i64::from),
            rank => wide.get(rank - narrow).copied(),
        };
        wanted.into_iter().filter_map(value).collect()
    }

    fn narrow(&self) -> impl Iterator<Item = (u32, usize)> {
        self.0.iter().flat_map(|part| part.narrow())
    }

    /// Every value of 32 bits with how often it occurs, ascending.
    /// For values of which few differ.
    pub(crate) fn tally(&self) -> BTreeMap<u32, u64> {
        let mut counts = BTreeMap::new();
        for (value, times) in self.narrow() {
            *counts.entry(value).or_default() += times as u64;
        }
        counts
    }

    /// The values of 32 bits at these ranks among themselves.
    fn select(&self, ranks: &[usize]) -> Vec<u32> {
        if self.len() > FEW {
            return self.select_by_counting(ranks);
        }
        let values = self.narrow();
        let mut all: Vec<u32> = values
            .flat_map(|(value, times)| std::iter::repeat_n(value, times))
            .collect();
        all.sort_unstable();
        ranks.iter().map(|rank| all[*rank]).collect()
    }

    fn select_by_counting(&self, ranks: &[usize]) -> Vec<u32> {
        let mut uppers = vec![0; UPPERS];
        for (value, times) in self.narrow() {
            add(&mut uppers[upper(value)], times);
        }
        let places = walk(&uppers, ranks);
        drop(uppers);
        let lowers = self.lowers(places.iter().map(|(upper, _)| *upper));
        places
            .iter()
            .map(|(upper, rank)| {
                let lower = lowers
                    .get(upper)
                    .map_or(0, |lower| walk(lower, &[*rank])[0].0);
                (upper << LOWER_BITS | lower) as u32
            })
            .collect()
    }

    /// How often each lower part occurs with each of these upper ones.
    fn lowers(&self, uppers: impl Iterator<Item = usize>) -> BTreeMap<usize, Vec<u32>> {
        let mut lowers: BTreeMap<usize, Vec<u32>> =
            uppers.map(|upper| (upper, vec![0; LOWERS])).collect();
        // Neighbours mostly share their upper part, so the look-up is kept.
        let mut runs = self.narrow().peekable();
        while let Some((value, times)) = runs.next() {
            let shared = upper(value);
            let mut found = lowers.get_mut(&shared);
            let mut count = |value: u32, times: usize| {
                if let Some(lower) = found.as_mut() {
                    add(&mut lower[value as usize & (LOWERS - 1)], times);
                }
            };
            count(value, times);
            while let Some((value, times)) = runs.next_if(|(v, _)| upper(*v) == shared) {
                count(value, times);
            }
        }
        lowers
    }
}

/// Counts that would not fit are 10 TB of records away.
fn add(count: &mut u32, times: usize) {
    *count = count.saturating_add(times as u32);
}

fn upper(value: u32) -> usize {
    (value >> LOWER_BITS) as usize
}

/// The bins in which these ranks lie, each with the rank inside it.
fn walk(counts: &[u32], ranks: &[usize]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_unstable_by_key(|at| ranks[*at]);
    let mut places = vec![(counts.len() - 1, 0); ranks.len()];
    let (mut bin, mut before) = (0, 0);
    for at in order {
        while bin + 1 < counts.len() && before + counts[bin] as usize <= ranks[at] {
            before += counts[bin] as usize;
            bin += 1;
        }
        places[at] = (bin, ranks[at] - before);
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn packed(values: &[i64]) -> Packed {
        let mut packed = Packed::default();
        values.iter().for_each(|value| packed.push(*value));
        packed
    }

    #[test]
    fn mean_and_deviation_are_exact() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares about it sum to 32
        let packed = packed(&[2, 4, 4, 4, 5, 5, 7, 9]);
        let pool = Pool::new([&packed]);
        assert_eq!(pool.mean(), Some(5.0));
        assert!((pool.std().unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn no_value_has_no_figure() {
        let packed = Packed::default();
        let pool = Pool::new([&packed]);
        assert_eq!((pool.mean(), pool.std(), pool.len()), (None, None, 0));
        assert!(pool.at(&[0]).is_empty());
    }

    #[test]
    fn equal_values_take_no_room() {
        let mut packed = packed(&vec![1; 1_000_000]);
        packed.pack();
        assert!(packed.bytes.len() < 16, "{}", packed.bytes.len());
        assert_eq!(Pool::new([&packed]).at(&[0, 999_999]), [1, 1]);
    }

    #[test]
    fn all_values_come_back_sorted() {
        let mut sample = Packed::with_run(2);
        let values = [5, 1, 9_000_000_000, 3, -2];
        values.iter().for_each(|value| sample.push(*value));
        let sorted = sample.sorted();
        let sorted = sorted.flat_map(|(value, times)| std::iter::repeat_n(value, times));
        assert_eq!(sorted.collect::<Vec<_>>(), [-2, 1, 3, 5, 9_000_000_000]);
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_sorted_sample(
            parts in vec(vec(prop_oneof![
                8 => 0..3_000_000i64,
                2 => 0..5i64,
                1 => -10..8_000_000_000i64,
            ], 0..200), 1..4),
            packs in vec(any::<bool>(), 4),
        ) {
            let all: Vec<Packed> = parts.iter().zip(packs).map(|(values, twice)| {
                let (one, two) = values.split_at(values.len() / 2);
                let mut packed = packed(one);
                if twice {
                    packed.pack();
                }
                two.iter().for_each(|value| packed.push(*value));
                packed
            }).collect();
            let mut sorted: Vec<i64> = parts.concat();
            sorted.sort_unstable();
            let ranks: Vec<usize> = (0..sorted.len()).collect();
            let pool = Pool::new(&all);
            prop_assert_eq!(pool.at(&ranks), sorted.clone());
            prop_assert_eq!(pool.len(), sorted.len());
            let narrow: Vec<u32> = sorted.iter().filter_map(|v| u32::try_from(*v).ok()).collect();
            let ranks: Vec<usize> = (0..narrow.len()).rev().collect();
            let counted = pool.select_by_counting(&ranks);
            prop_assert!(counted.iter().eq(narrow.iter().rev()));
            let tally = pool.tally();
            prop_assert_eq!(tally.values().sum::<u64>(), narrow.len() as u64);
            prop_assert!(tally.keys().all(|value| narrow.binary_search(value).is_ok()));
        }
    }
}
