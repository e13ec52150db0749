//! A histogram of whole numbers rounded to three digits, which is what the page
//! shows, packed to a few bits a value.

/// Numbers of three digits in a decade, and the first of them.
const DECADE: u64 = 900;
const FIRST: u64 = 100;

/// Whole numbers, each rounded to three digits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    /// Place of the first count: see [`code_of`].
    first: usize,
    /// How often each number from there on occurs; empty while they are packed.
    counts: Vec<u32>,
    /// Number of counts that are packed.
    n_packed: usize,
    packed: Bits,
}

impl Histogram {
    /// Adds a number.
    pub(crate) fn add(&mut self, value: u64) {
        self.unpack();
        let code = code_of(value) as usize;
        self.reach(code);
        self.counts[code - self.first] += 1;
    }

    /// Adds all numbers of another.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.unpack();
        for (code, count) in other.each() {
            self.reach(code);
            self.counts[code - self.first] += count;
        }
    }

    /// Makes room for a code.
    fn reach(&mut self, code: usize) {
        if self.counts.is_empty() {
            self.first = code;
        }
        if code < self.first {
            let below = std::iter::repeat_n(0, self.first - code);
            self.counts.splice(0..0, below);
            self.first = code;
        }
        let wanted = code - self.first + 1;
        self.counts.resize(self.counts.len().max(wanted), 0);
    }

    /// Packs the counts: to be called when no more numbers come for now.
    pub(crate) fn pack(&mut self) {
        if self.counts.is_empty() {
            return;
        }
        let mut packed = Bits::default();
        self.counts.iter().for_each(|count| packed.push(*count));
        packed.bytes.shrink_to_fit();
        self.n_packed = self.counts.len();
        self.packed = packed;
        self.counts = Vec::new();
    }

    fn unpack(&mut self) {
        if self.n_packed > 0 {
            self.counts = self.packed.counts().take(self.n_packed).collect();
            self.n_packed = 0;
            self.packed = Bits::default();
        }
    }

    /// Codes that occur in the sample, ascending, with how often.
    fn each(&self) -> impl Iterator<Item = (usize, u32)> {
        let packed = self.packed.counts().take(self.n_packed);
        let counts = packed.chain(self.counts.iter().copied());
        let each = counts.enumerate().filter(|(_, count)| *count > 0);
        each.map(|(at, count)| (self.first + at, count))
    }

    /// Numbers in the sample.
    pub(crate) fn len(&self) -> usize {
        self.each().map(|(_, count)| count as usize).sum()
    }

    /// The number at a rank of the sorted sample, from 0; `None` beyond it.
    pub(crate) fn at(&self, rank: usize) -> Option<u64> {
        let mut below = 0;
        let reached = self.each().find(|(_, count)| {
            below += *count as usize;
            below > rank
        });
        reached.map(|(code, _)| of_code(code as u64))
    }
}

/// Counts in Elias's gamma code: for a count c the binary digits of c + 1 behind
/// as many zeros as there are digits after the first. Source: Elias 1975,
/// Universal codeword sets and representations of the integers.
#[derive(Debug, Clone, Default)]
struct Bits {
    bytes: Vec<u8>,
    n: usize,
}

impl Bits {
    fn push(&mut self, count: u32) {
        let number = u64::from(count) + 1;
        let digits = number.ilog2();
        (0..digits).for_each(|_| self.push_bit(false));
        (0..=digits)
            .rev()
            .for_each(|at| self.push_bit(number >> at & 1 == 1));
    }

    fn push_bit(&mut self, bit: bool) {
        if self.n.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.n % 8);
        }
        self.n += 1;
    }

    fn counts(&self) -> impl Iterator<Item = u32> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let mut next = || {
                let byte = self.bytes.get(at / 8)?;
                let bit = byte >> (at % 8) & 1;
                at += 1;
                Some(u64::from(bit))
            };
            let mut digits = 0;
            while next()? == 0 {
                digits += 1;
            }
            let mut number = 1;
            for _ in 0..digits {
                number = number << 1 | next()?;
            }
            u32::try_from(number - 1).ok()
        })
    }
}

/// The place of a whole number among those of three digits: 0 to 999 are
/// themselves, then come 1000, 1010, 1020 and so on.
fn code_of(value: u64) -> u64 {
    let (mut decades, mut scale) = (0, 1);
    while value / scale >= DECADE + FIRST {
        scale *= 10;
        decades += 1;
    }
    // 999.5 becomes 1000, which is the first of the next decade.
    decades * DECADE + (value % scale * 2 / scale) + value / scale
}

/// The number at a place: see [`code_of`].
fn of_code(code: u64) -> u64 {
    let decades = code.saturating_sub(FIRST) / DECADE;
    let scale = 10_u64.saturating_pow(decades as u32);
    (code - decades * DECADE).saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_kept_to_three_digits() {
        for (value, kept) in [
            (0, 0),
            (7, 7),
            (999, 999),
            (1000, 1000),
            (1004, 1000),
            (1005, 1010),
            (9994, 9990),
            (9995, 10_000),
            (12_345_678, 12_300_000),
            (20_000_000, 20_000_000),
            (4_611_686_018_427_387_904, 4_610_000_000_000_000_000),
        ] {
            assert_eq!(of_code(code_of(value)), kept, "{value}");
        }
    }

    #[test]
    fn packed_counts_take_a_few_bits_a_value() {
        let mut histogram = Histogram::default();
        // 1, 1, 1, 1000: counts 3, then 998 zeros, then 1
        [1, 1, 1, 1000]
            .iter()
            .for_each(|value| histogram.add(*value));
        histogram.pack();
        // 5 bits, 998 of one bit, 3 bits: 1006
        assert_eq!(histogram.packed.bytes.len(), 126);
        assert_eq!(
            [0, 2, 3].map(|rank| histogram.at(rank)),
            [Some(1), Some(1), Some(1000)]
        );
        assert_eq!((histogram.len(), histogram.at(4)), (4, None));
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_sorted_sample(
            one in vec(prop_oneof![0..20u64, 0..30_000_000u64], 1..300),
            two in vec(0..2_000_000_000u64, 0..50),
        ) {
            let mut histogram = Histogram::default();
            one.iter().for_each(|value| histogram.add(*value));
            histogram.pack();
            let mut other = Histogram::default();
            two.iter().for_each(|value| other.add(*value));
            other.pack();
            histogram.absorb(&other);
            let mut sorted: Vec<u64> = one.iter().chain(&two).copied().collect();
            sorted.sort_unstable();
            for again in 0..2 {
                prop_assert_eq!(histogram.len(), sorted.len());
                for (rank, value) in sorted.iter().enumerate() {
                    let found = histogram.at(rank).unwrap();
                    prop_assert!(found.abs_diff(*value) * 200 <= *value, "{} for {}", found, value);
                }
                if again == 0 {
                    histogram.pack();
                }
            }
        }
    }
}
