//! The times of a trace's rows, as they are replayed.

use std::sync::Arc;

use thiserror::Error;

use crate::text::units::NS_PER_S;

/// Times that cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TraceTimesError {
    /// There are fewer than two rows.
    #[error("it has {rows} rows with a time, needs 2 or more")]
    TooFew { rows: usize },
    /// The last row is not later than the first.
    #[error("all of its rows have the same time")]
    NoLength,
    /// A row is earlier than the one before it.
    #[error("row {row} is earlier than the row before it")]
    Backwards { row: usize },
}

/// Times of rows, each at or after the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceTimes {
    /// After the first, s.
    after_first_s: Arc<[f64]>,
}

impl TraceTimes {
    /// From the times of rows, s, in the order of the file.
    ///
    /// # Errors
    /// If they do not ascend, or have no length.
    pub fn new(times_s: &[f64]) -> Result<Self, TraceTimesError> {
        let rows = times_s.len();
        if rows < 2 {
            return Err(TraceTimesError::TooFew { rows });
        }
        let falls = times_s.windows(2).position(|pair| pair[1] < pair[0]);
        if let Some(at) = falls {
            return Err(TraceTimesError::Backwards { row: at + 2 });
        }
        let first_s = times_s[0];
        if times_s[rows - 1] <= first_s {
            return Err(TraceTimesError::NoLength);
        }
        Ok(Self {
            after_first_s: times_s.iter().map(|t_s| t_s - first_s).collect(),
        })
    }

    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.after_first_s.len()
    }

    /// From the first row to the last, s.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.after_first_s[self.rows() - 1]
    }

    /// Time between the first row and the same row a round later, s: the trace's length
    /// and one mean gap.
    #[must_use]
    pub fn round_s(&self) -> f64 {
        let rows = self.rows() as f64;
        self.length_s() * rows / (rows - 1.0)
    }

    /// Rows per second, over a round.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        self.rows() as f64 / self.round_s()
    }

    /// When the send with this index is planned at that speed, ns after the first. After
    /// the last row the trace begins again.
    #[must_use]
    pub fn send_ns(&self, index: u64, speed: f64) -> u64 {
        let rows = self.rows() as u64;
        let rounds_s = (index / rows) as f64 * self.round_s();
        let in_round_s = self.after_first_s[(index % rows) as usize];
        ((rounds_s + in_round_s) / speed * NS_PER_S).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_replayed_from_its_first_row_and_begins_again_a_mean_gap_after_the_last() {
        let times = TraceTimes::new(&[100.0, 100.5, 103.0]).unwrap();
        // 3 s in two gaps: a round is 4.5 s.
        assert_eq!((times.length_s(), times.round_s()), (3.0, 4.5));
        let sends = |speed| -> Vec<u64> { (0..5).map(|i| times.send_ns(i, speed)).collect() };
        let ms = |all: [u64; 5]| all.map(|ms| ms * 1_000_000);
        assert_eq!(sends(1.0), ms([0, 500, 3000, 4500, 5000]));
        assert_eq!(sends(2.0), ms([0, 250, 1500, 2250, 2500]));
        assert!((times.mean_rate() - 3.0 / 4.5).abs() < 1e-12);
    }

    #[test]
    fn times_that_cannot_be_replayed_are_refused() {
        let refused = |times: &[f64]| TraceTimes::new(times).unwrap_err().to_string();
        assert_eq!(
            refused(&[1.0]),
            "it has 1 rows with a time, needs 2 or more"
        );
        assert_eq!(refused(&[1.0, 1.0]), "all of its rows have the same time");
        assert_eq!(
            refused(&[1.0, 3.0, 2.0]),
            "row 3 is earlier than the row before it"
        );
    }
}
