//! Whether the records of one cell are all that it asked.

use super::{ACCOUNTED, RECORD, SCHEDULE, Verification, WINDOW, record};
use crate::config::{Level, LoadConfig};
use crate::facts::manifest::CellFacts;
use crate::facts::record::RequestRecord;
use crate::plan::schedule::Schedule;

/// Takes in the records of one cell.
#[derive(Debug)]
pub struct CellAudit {
    name: String,
    /// First and last moment; absent for a cell that the manifest does not have.
    span: Option<(u64, u64)>,
    /// By index: how often it came, up to 255.
    seen: Vec<u8>,
    /// By index: planned send time.
    scheduled: Vec<Option<u64>>,
}

impl CellAudit {
    /// An audit of the cell with this name in words; `facts` as the manifest
    /// has them.
    #[must_use]
    pub fn new(name: String, facts: Option<&CellFacts>) -> Self {
        Self {
            name,
            span: facts.map(|facts| (facts.start_ns, facts.end_ns)),
            seen: Vec::new(),
            scheduled: Vec::new(),
        }
    }

    /// Takes in one record, found at `place`.
    pub fn take(&mut self, record: &RequestRecord, place: &str, found: &mut Verification) {
        for words in record::faults(record) {
            found.find(RECORD, place, words);
        }
        let index = usize::try_from(record.index).unwrap_or(usize::MAX);
        // An index beyond what could have been sent is a gap of its own.
        if index > self.seen.len() + MAX_GAP {
            found.find(
                ACCOUNTED,
                place,
                format!("index {index} is out of all order"),
            );
            return;
        }
        if index >= self.seen.len() {
            self.seen.resize(index + 1, 0);
            self.scheduled.resize(index + 1, None);
        }
        self.seen[index] = self.seen[index].saturating_add(1);
        self.scheduled[index] = record.scheduled_ns;
        if let Some((start, end)) = self.span {
            let begins = record.sent_ns.unwrap_or(start);
            if begins < start || record.end_ns > end {
                found.find(WINDOW, place, format!("it lies outside {}", self.name));
            }
        }
    }

    /// Judges the cell as a whole. `arrivals`: the load and the seed of its send
    /// times.
    pub fn finish(self, level: Level, arrivals: (&LoadConfig, u64), found: &mut Verification) {
        for (index, times) in self.seen.iter().enumerate() {
            match times {
                1 => {}
                0 => found.find(ACCOUNTED, &self.name, format!("index {index} is missing")),
                _ => found.find(
                    ACCOUNTED,
                    &self.name,
                    format!("index {index} is there {times} times"),
                ),
            }
        }
        let Level::RequestRate(rate) = level else {
            return;
        };
        let (load, seed) = arrivals;
        let Ok(schedule) = Schedule::new(load, rate, seed) else {
            return;
        };
        let mut start = None;
        for (index, (planned, after)) in self.scheduled.iter().zip(schedule).enumerate() {
            let Some(planned) = planned else { continue };
            let start = *start.get_or_insert(planned.saturating_sub(after));
            if start + after != *planned {
                let words = format!(
                    "request {index} was planned for {planned}, the seed gives {}",
                    start + after
                );
                found.find(SCHEDULE, &self.name, words);
            }
        }
    }
}

/// Requests that may be on their way while one with a higher index is written:
/// more than any level has at once.
const MAX_GAP: usize = 1_000_000;
