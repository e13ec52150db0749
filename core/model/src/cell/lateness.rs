//! By how much stamps of a cell may be late, as counts by size: whether that reaches a
//! figure depends on the figure, which is known only at the cell's end.

/// Smallest lateness that is told apart, ms: less is in no figure.
const SMALLEST_MS: f64 = 0.5;
/// Sizes that are told apart; each is the square root of two times the one below, and
/// the last holds all above a second.
const SIZES: usize = 24;

/// How many stamps may be late, by size.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lateness {
    counts: [u64; SIZES],
    sum_ms: f64,
}

impl Lateness {
    /// So many more, each by `late_ms` at most; infinite where that is not known.
    pub(crate) fn add(&mut self, stamps: u64, late_ms: f64) {
        if stamps == 0 {
            return;
        }
        self.sum_ms += stamps as f64 * late_ms;
        if late_ms > SMALLEST_MS {
            let size = (2.0 * (late_ms / SMALLEST_MS).log2()).floor();
            self.counts[(size as usize).min(SIZES - 1)] += stamps;
        }
    }

    /// Those that may be late by more than `limit_ms`. Of the size that the limit is in,
    /// all count.
    pub(crate) fn above(&self, limit_ms: f64) -> u64 {
        let sizes = self.counts.iter().enumerate();
        let reach = sizes.filter(|(size, _)| {
            size + 1 == SIZES || SMALLEST_MS * ((size + 1) as f64 / 2.0).exp2() > limit_ms
        });
        reach.map(|(_, stamps)| stamps).sum()
    }

    /// All of them together, ms.
    pub(crate) fn sum_ms(&self) -> f64 {
        self.sum_ms
    }

    /// Of both.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for (own, others) in self.counts.iter_mut().zip(other.counts) {
            *own += others;
        }
        self.sum_ms += other.sum_ms;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_counted_from_the_size_that_holds_the_limit() {
        let mut lateness = Lateness::default();
        for (stamps, late_ms) in [(100, 0.5), (1, 0.6), (2, 0.9), (4, 3.0), (8, f64::INFINITY)] {
            lateness.add(stamps, late_ms);
        }
        // Sizes begin at 0.5, 0.71, 1, 1.41, 2, 2.83 and 4 ms.
        assert_eq!(lateness.above(0.5), 15);
        assert_eq!(lateness.above(0.8), 14);
        assert_eq!(lateness.above(1.0), 12);
        assert_eq!(lateness.above(3.5), 12);
        assert_eq!(lateness.above(4.1), 8);
        assert_eq!(lateness.above(1e6), 8);
        assert_eq!(lateness.with(lateness).above(4.1), 16);
    }

    #[test]
    fn their_sum_has_the_small_ones_too() {
        let mut lateness = Lateness::default();
        lateness.add(2, 0.25);
        lateness.add(1, 4.0);
        assert!((lateness.sum_ms() - 4.5).abs() < 1e-12);
    }
}
