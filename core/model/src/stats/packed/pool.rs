//! Several packed samples as one: mean, deviation, and the values at given ranks.

use std::collections::BTreeMap;

use super::Packed;

/// Lower bits of a 32-bit value, for counting by its upper and then its lower
/// ones: 2 MiB for the upper ones, and 32 KiB for each value that is looked for.
const LOWER_BITS: u32 = 13;
const UPPERS: usize = 1 << (u32::BITS - LOWER_BITS);
const LOWERS: usize = 1 << LOWER_BITS;
/// Values of several samples that are sorted rather than counted.
const FEW: usize = 1 << 16;

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
