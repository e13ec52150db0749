//! A sample of whole numbers, packed so that millions of them fit and exact
//! percentiles still come out: sorted in runs, each kept as the steps between
//! neighbours, most of which take one byte.

mod pool;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

pub use pool::Pool;

use super::varint::{read_number, write_number};

/// Default number of values that are sorted together. More make smaller steps and
/// a larger buffer; these take 4 MiB.
const RUN: usize = 1 << 20;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_take_no_room() {
        let mut packed = Packed::default();
        (0..1_000_000).for_each(|_| packed.push(1));
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
}
