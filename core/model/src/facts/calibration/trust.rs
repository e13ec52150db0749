//! Whether a cell that calls itself trustworthy is: its figures against the truth, while
//! the client is disturbed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{TrueRequest, matched};
use crate::facts::record::RequestRecord;
use crate::facts::warning::WarningCode;
use crate::stats::Summary;

/// A figure is off if it differs from the truth by more than this, ms, ...
const OFF_MS: f64 = 0.5;
/// ... and by more than this share of it.
const OFF_SHARE: f64 = 0.02;
/// Share of the true cells that may be marked as untrustworthy.
const FALSE_ALARMS_SHARE: f64 = 0.1;

/// What is done to the client and the server while a cell is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disturbance {
    /// Processes that compute without end, for each core.
    pub neighbours_per_core: u32,
    /// Tokens that the server sends in one go.
    pub burst: Option<u32>,
    /// Once in 250 ms the client is stopped for so long, ms.
    pub pause_ms: Option<u32>,
    /// CPU that the client may use, percent of one core.
    pub quota_percent: Option<u32>,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: u32, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let neighbours = self.neighbours_per_core;
        let parts = [
            (neighbours > 0).then(|| count(neighbours, "neighbour") + " a core"),
            self.pause_ms.map(|ms| format!("paused {ms} of 250 ms")),
            self.quota_percent
                .map(|n| format!("quota of {n} % of a core")),
            self.burst.map(|n| format!("bursts of {n}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("undisturbed"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// A figure as it is reported and as it was, ms; `None` where too few values carry it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// What the cell reports.
    pub reported: Option<f64>,
    /// What the server recorded.
    pub truth: Option<f64>,
}

impl Against {
    /// Reported minus true, ms.
    #[must_use]
    pub fn error_ms(&self) -> Option<f64> {
        Some(self.reported? - self.truth?)
    }

    /// Whether it is off by more than 0.5 ms and 2 % of the truth.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let size = self.error_ms().map(f64::abs);
        let allowed = self.truth.map(|truth| (OFF_SHARE * truth).max(OFF_MS));
        size.zip(allowed)
            .is_some_and(|(size, allowed)| size > allowed)
    }
}

/// One cell that was measured while the client was disturbed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrustCell {
    /// Streams at once.
    pub concurrency: u32,
    /// What stood in the way of client and server.
    pub disturbance: Disturbance,
    /// Requests whose true times are known.
    pub requests: usize,
    /// Mean TTFT as measured and as it was.
    pub ttft_mean_ms: Against,
    /// The same of the p99 of TTFT.
    pub ttft_p99_ms: Against,
    /// The same of the p99 of the gaps between outputs.
    pub itl_p99_ms: Against,
    /// What makes the cell untrustworthy; empty if it calls itself trustworthy.
    pub breaches: Vec<WarningCode>,
}

impl TrustCell {
    /// A cell from its records and what the server recorded. `id_for` gives the id that
    /// the server has for the request with that index.
    #[must_use]
    pub fn new(
        (concurrency, disturbance): (u32, Disturbance),
        records: &[RequestRecord],
        truth: &[TrueRequest],
        id_for: &dyn Fn(u64) -> String,
        breaches: Vec<WarningCode>,
    ) -> Self {
        let pairs = matched(records, truth, id_for);
        let summary = |values: &mut dyn Iterator<Item = f64>| Summary::from_values(values);
        let ttft = (
            summary(&mut pairs.iter().map(|pair| pair.reported_ttft_ms)),
            summary(&mut pairs.iter().map(|pair| pair.true_ttft_ms())),
        );
        let itl = (
            summary(
                &mut pairs
                    .iter()
                    .flat_map(|pair| pair.record.itl_ms.iter().copied()),
            ),
            summary(&mut pairs.iter().flat_map(|pair| pair.true_itl_ms())),
        );
        let p99 = |(reported, truth): &(Summary, Summary)| Against {
            reported: reported.carried(99),
            truth: truth.carried(99),
        };
        Self {
            concurrency,
            disturbance,
            requests: pairs.len(),
            ttft_mean_ms: Against {
                reported: ttft.0.mean,
                truth: ttft.1.mean,
            },
            ttft_p99_ms: p99(&ttft),
            itl_p99_ms: p99(&itl),
            breaches,
        }
    }

    /// Whether any of its figures is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let figures = [self.ttft_mean_ms, self.ttft_p99_ms, self.itl_p99_ms];
        figures.iter().any(Against::is_off)
    }

    /// Whether it calls itself trustworthy.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.breaches.is_empty()
    }
}

/// What a number of such cells say of the marks of trust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrustCount {
    /// Cells whose figures are true.
    pub true_cells: usize,
    /// Those of them that are marked all the same.
    pub false_alarms: usize,
    /// Cells that are off.
    pub off: usize,
    /// Those of them that call themselves trustworthy.
    pub silent_lies: usize,
}

impl TrustCount {
    /// Counts cells.
    #[must_use]
    pub fn new(cells: &[TrustCell]) -> Self {
        let mut count = Self::default();
        for cell in cells {
            match (cell.is_off(), cell.is_trusted()) {
                (true, trusted) => {
                    count.off += 1;
                    count.silent_lies += usize::from(trusted);
                }
                (false, trusted) => {
                    count.true_cells += 1;
                    count.false_alarms += usize::from(!trusted);
                }
            }
        }
        count
    }

    /// Whether no cell that is off calls itself trustworthy, and few true ones are
    /// marked.
    #[must_use]
    pub fn holds(&self) -> bool {
        let allowed = self.true_cells as f64 * FALSE_ALARMS_SHARE;
        self.silent_lies == 0 && self.false_alarms as f64 <= allowed
    }
}

impl fmt::Display for TrustCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cells were off, {} of them without a mark; {} were true, {} of them marked",
            self.off, self.silent_lies, self.true_cells, self.false_alarms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against(reported: f64, truth: f64) -> Against {
        Against {
            reported: Some(reported),
            truth: Some(truth),
        }
    }

    #[test]
    fn off_is_more_than_half_a_millisecond_and_two_percent() {
        assert!(!against(10.5, 10.0).is_off(), "0.5 ms");
        assert!(against(10.51, 10.0).is_off());
        assert!(against(9.4, 10.0).is_off());
        // 2 % of 100 ms are 2 ms.
        assert!(!against(102.0, 100.0).is_off());
        assert!(against(102.1, 100.0).is_off());
        assert!(!Against::default().is_off(), "nothing is shown");
    }

    fn cell(reported: f64, breaches: &[WarningCode]) -> TrustCell {
        TrustCell {
            concurrency: 1,
            disturbance: Disturbance::default(),
            requests: 1,
            ttft_mean_ms: against(reported, 10.0),
            ttft_p99_ms: Against::default(),
            itl_p99_ms: Against::default(),
            breaches: breaches.to_vec(),
        }
    }

    #[test]
    fn lies_and_false_alarms_are_counted() {
        let marked = &[WarningCode::ClientBusy];
        let mut cells = vec![cell(12.0, marked), cell(10.0, marked)];
        cells.extend((0..9).map(|_| cell(10.0, &[])));
        let count = TrustCount::new(&cells);
        let expected = TrustCount {
            true_cells: 10,
            false_alarms: 1,
            off: 1,
            silent_lies: 0,
        };
        assert_eq!(count, expected);
        assert!(count.holds(), "one in ten");
        assert!(!TrustCount::new(&cells[..10]).holds(), "one in nine");
        cells.push(cell(12.0, &[]));
        assert!(!TrustCount::new(&cells).holds(), "a silent lie");
    }
}
