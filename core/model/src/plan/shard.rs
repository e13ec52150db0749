//! One of several machines that make one load together: which requests, slots and
//! warm-ups of the whole are its own, and which configs can be shared out at all.

use std::fmt;
use std::iter::{Skip, StepBy};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most shards of one run.
pub const MAX_SHARDS: u32 = 10_000;

/// A shard of a run: its place, from 0, and how many there are. Of everything that is
/// numbered it takes each `count`-th, from its own place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawShard")]
pub struct Shard {
    index: u32,
    count: NonZeroU32,
}

/// As it stands in a file.
#[derive(Deserialize)]
struct RawShard {
    index: u32,
    count: u32,
}

impl TryFrom<RawShard> for Shard {
    type Error = ShardError;

    fn try_from(raw: RawShard) -> Result<Self, ShardError> {
        Self::new(raw.index, raw.count)
    }
}

/// A shard that there cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShardError {
    /// It is not written as one.
    #[error("is `{0}`, must be INDEX/COUNT such as 0/4, or auto")]
    Form(String),
    /// There are none, or too many.
    #[error("has {0} shards, must have 1 to {MAX_SHARDS}")]
    Count(u32),
    /// There are not so many.
    #[error("is {index}/{count}, shards are numbered from 0 to {}", count - 1)]
    Index { index: u32, count: u32 },
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    /// Reads `INDEX/COUNT`.
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(index, count)| {
            let (index, count) = (index.trim(), count.trim());
            Some((index.parse().ok()?, count.parse().ok()?))
        });
        let (index, count) = numbers.ok_or_else(|| ShardError::Form(text.to_owned()))?;
        Self::new(index, count)
    }
}

impl Shard {
    /// All of a run, on one machine.
    pub const WHOLE: Self = Self {
        index: 0,
        count: NonZeroU32::MIN,
    };

    /// Shard `index`, from 0, of `count`.
    ///
    /// # Errors
    /// See [`ShardError`].
    pub fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        let number = NonZeroU32::new(count).filter(|n| n.get() <= MAX_SHARDS);
        let count = number.ok_or(ShardError::Count(count))?;
        if index >= count.get() {
            let count = count.get();
            return Err(ShardError::Index { index, count });
        }
        Ok(Self { index, count })
    }

    /// Its place, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count.get()
    }

    /// Index in the whole of its own request with this place among its own.
    #[must_use]
    pub fn request_index(self, own: u64) -> u64 {
        own.saturating_mul(u64::from(self.count()))
            .saturating_add(u64::from(self.index))
    }

    /// Whether the request with this index in the whole is its own.
    #[must_use]
    pub fn owns(self, request: u64) -> bool {
        request % u64::from(self.count()) == u64::from(self.index)
    }

    /// How many of the first `n` are its own: with a remainder, the first shards have one
    /// more.
    #[must_use]
    pub fn part(self, n: u64) -> u64 {
        let count = u64::from(self.count());
        n / count + u64::from(n % count > u64::from(self.index))
    }

    /// Slots of a closed loop that are its own.
    #[must_use]
    pub fn slots(self, level: u32) -> u32 {
        // A part is never larger than the whole.
        u32::try_from(self.part(u64::from(level))).unwrap_or(level)
    }

    /// Warm-up requests that are its own, of so many.
    #[must_use]
    pub fn warmups(self, warmup: u64) -> u64 {
        self.part(warmup)
    }

    /// Measured requests that are its own, of so many after so many of warm-up.
    #[must_use]
    pub fn measured(self, warmup: u64, measured: u64) -> u64 {
        self.part(warmup.saturating_add(measured)) - self.part(warmup)
    }

    /// Its own among numbered items.
    pub fn own<I: Iterator>(self, items: I) -> StepBy<Skip<I>> {
        items
            .skip(self.index as usize)
            .step_by(self.count() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_goes_to_the_first_shards() {
        // 10 slots over 4: 3, 3, 2, 2.
        let shards = (0..4).map(|index| Shard::new(index, 4).unwrap());
        let slots: Vec<u32> = shards.map(|shard| shard.slots(10)).collect();
        assert_eq!(slots, [3, 3, 2, 2]);
    }

    #[test]
    fn measured_requests_go_on_where_the_warm_up_ends() {
        // Warm-up is 0 and 1 and 2; measured are 3 to 6. Of three shards the first has
        // 3 and 6, the others 4 and 5.
        let shards = (0..3).map(|index| Shard::new(index, 3).unwrap());
        let measured: Vec<u64> = shards.map(|shard| shard.measured(3, 4)).collect();
        assert_eq!(measured, [2, 1, 1]);
    }

    #[test]
    fn a_shard_is_written_index_and_count() {
        assert_eq!("2/8".parse(), Shard::new(2, 8));
        for (wrong, words) in [
            ("8", "is `8`, must be INDEX/COUNT such as 0/4, or auto"),
            ("0/0", "has 0 shards, must have 1 to 10000"),
            ("4/4", "is 4/4, shards are numbered from 0 to 3"),
            (
                "-1/4",
                "is `-1/4`, must be INDEX/COUNT such as 0/4, or auto",
            ),
        ] {
            assert_eq!(wrong.parse::<Shard>().unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn a_file_cannot_hold_a_shard_that_there_cannot_be() {
        let read = serde_json::from_str::<Shard>;
        assert_eq!(
            read(r#"{"index": 1, "count": 2}"#).unwrap(),
            Shard::new(1, 2).unwrap()
        );
        assert!(read(r#"{"index": 2, "count": 2}"#).is_err());
    }
}
