//! Readings thinned out to a limited number of buckets of equal width: when there
//! are too many, neighbours are merged.

use crate::stats;
use crate::text::units::{NS_PER_S, s_between};

/// Width of a bucket as long as all of them have room.
const FIRST_WIDTH_NS: u64 = 1_000_000;
/// Buckets of one series at most.
pub(super) const MOST_BUCKETS: usize = 720;
/// Digits of a value that are kept: more would only make a page larger.
const DIGITS: i32 = 6;

/// The buckets of one series.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    zero_ns: u64,
    width_ns: u64,
    most: usize,
    list: Vec<Bucket>,
}

/// The readings of one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    /// Its place on the axis, in widths.
    slot: u64,
    n: u64,
    /// Sum of the readings' times, s after the start of the axis.
    t_s: f64,
    sum: f64,
    min: f64,
    max: f64,
}

/// The buckets as lists of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Lists {
    pub(super) t_s: Vec<f64>,
    pub(super) min: Vec<f64>,
    pub(super) mean: Vec<f64>,
    pub(super) max: Vec<f64>,
}

impl Buckets {
    /// At most [`MOST_BUCKETS`] from `zero_ns` on.
    pub(super) fn new(zero_ns: u64) -> Self {
        Self::with_room(zero_ns, MOST_BUCKETS)
    }

    fn with_room(zero_ns: u64, most: usize) -> Self {
        Self {
            zero_ns,
            width_ns: FIRST_WIDTH_NS,
            most,
            list: Vec::new(),
        }
    }

    /// Adds a reading. Times never fall; readings before the axis are skipped.
    pub(super) fn add(&mut self, t_ns: u64, value: f64) {
        let Some(after_ns) = t_ns.checked_sub(self.zero_ns) else {
            return;
        };
        let bucket = Bucket {
            slot: after_ns / self.width_ns,
            n: 1,
            t_s: s_between(0, after_ns),
            sum: value,
            min: value,
            max: value,
        };
        match self.list.last_mut() {
            Some(last) if last.slot == bucket.slot => last.take(bucket),
            _ => self.list.push(bucket),
        }
        self.keep_to(self.most);
    }

    /// Joins neighbours until there are at most `most` buckets.
    pub(super) fn keep_to(&mut self, most: usize) {
        while self.list.len() > most.max(1) {
            self.width_ns = self.width_ns.saturating_mul(2);
            self.list.iter_mut().for_each(|bucket| bucket.slot /= 2);
            self.list.dedup_by(|next, kept| {
                let same = next.slot == kept.slot;
                if same {
                    kept.take(*next);
                }
                same
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn width_s(&self) -> f64 {
        self.width_ns as f64 / NS_PER_S
    }

    /// How much further apart the mean times of two neighbouring buckets can lie than
    /// the last reading of one and the first of the other: less than a width on each
    /// side.
    pub(super) fn most_spread_ns(&self) -> u64 {
        self.width_ns.saturating_mul(2)
    }

    pub(super) fn lists(&self) -> Lists {
        let mut lists = Lists::default();
        for bucket in &self.list {
            let n = bucket.n as f64;
            lists.t_s.push((bucket.t_s / n * 1e3).round() / 1e3);
            lists.min.push(stats::rounded(bucket.min, DIGITS));
            lists.mean.push(stats::rounded(bucket.sum / n, DIGITS));
            lists.max.push(stats::rounded(bucket.max, DIGITS));
        }
        lists
    }
}

impl Bucket {
    fn take(&mut self, other: Self) {
        self.n += other.n;
        self.t_s += other.t_s;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_readings_keep_a_bucket_each() {
        let mut buckets = Buckets::with_room(1_000_000_000, 4);
        for (t_ns, value) in [(1_100_000_000, 5.0), (1_200_000_000, 7.0)] {
            buckets.add(t_ns, value);
        }
        let lists = buckets.lists();
        assert_eq!(lists.t_s, [0.1, 0.2]);
        assert_eq!(lists.mean, [5.0, 7.0]);
        assert_eq!(lists.min, lists.max);
    }

    #[test]
    fn where_there_are_too_many_neighbours_become_one() {
        // 1 ms apart, so that 8 readings in 4 buckets are pairs
        let mut buckets = Buckets::with_room(0, 4);
        for (ms, value) in [1.0, 3.0, 2.0, 8.0, 0.0, 0.0, 4.0, 5.0].iter().enumerate() {
            buckets.add(ms as u64 * 1_000_000, *value);
        }
        assert_eq!(buckets.width_s(), 0.002);
        let lists = buckets.lists();
        assert_eq!(lists.min, [1.0, 2.0, 0.0, 4.0]);
        assert_eq!(lists.mean, [2.0, 5.0, 0.0, 4.5]);
        assert_eq!(lists.max, [3.0, 8.0, 0.0, 5.0]);
    }

    #[test]
    fn a_day_of_readings_keeps_to_the_room_and_to_the_extremes() {
        let mut buckets = Buckets::with_room(0, 100);
        for second in 0..86_400_u64 {
            let value = if second == 40_000 { 700.0 } else { 100.0 };
            buckets.add(second * 1_000_000_000, value);
        }
        let lists = buckets.lists();
        assert!((50..=100).contains(&lists.t_s.len()), "{}", lists.t_s.len());
        assert_eq!(lists.max.iter().filter(|max| **max == 700.0).count(), 1);
        assert!(lists.min.iter().all(|min| *min == 100.0));
    }
}
