//! A record as far as its cell needs it: when it was sent and over, and whether it was
//! cut off.

use std::collections::HashMap;

use inferbench_model::config::Level;
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::{Phase, Timing};
use inferbench_model::facts::record_line::read_head;
use serde::Deserialize;

use crate::store::{LineFile, StoreError};

/// What the first reading takes of a line: the cell, and what its window and its end
/// follow from.
#[derive(Debug, Deserialize)]
pub(crate) struct Placed {
    pub(crate) backend: String,
    pub(crate) block: u32,
    pub(crate) level: Level,
    pub(crate) index: u64,
    phase: Phase,
    scheduled_ns: Option<u64>,
    sent_ns: Option<u64>,
    pub(crate) end_ns: u64,
    #[serde(default)]
    reason: Option<String>,
}

impl Placed {
    /// Reads a line. Of one that is written as this version writes it, only the beginning:
    /// whether the rest is as it should be is for the second reading.
    ///
    /// # Errors
    /// If it cannot be understood.
    pub(crate) fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        match read_head(line) {
            Some(head) => Ok(Self {
                backend: head.backend.to_owned(),
                block: head.block,
                level: head.timing.level,
                index: head.index,
                phase: head.timing.phase,
                scheduled_ns: head.timing.scheduled_ns,
                sent_ns: head.timing.sent_ns,
                end_ns: head.timing.end_ns,
                reason: head.reason.map(str::to_owned),
            }),
            None => serde_json::from_slice(line),
        }
    }

    /// The same on another clock; `None` if a time would lie before its beginning or
    /// beyond its end.
    pub(crate) fn shifted(mut self, shift_ns: i64) -> Option<Self> {
        let moved = |t_ns: u64| t_ns.checked_add_signed(shift_ns);
        for t_ns in [&mut self.scheduled_ns, &mut self.sent_ns]
            .into_iter()
            .flatten()
        {
            *t_ns = moved(*t_ns)?;
        }
        self.end_ns = moved(self.end_ns)?;
        Some(self)
    }

    pub(super) fn timing(&self) -> Timing {
        Timing {
            level: self.level,
            phase: self.phase,
            scheduled_ns: self.scheduled_ns,
            sent_ns: self.sent_ns,
            end_ns: self.end_ns,
        }
    }

    pub(super) fn note_in(&self, recorded: &mut CellRecorded) {
        let is_interrupted = self
            .reason
            .as_deref()
            .is_some_and(|reason| reason == &*FailureReason::Interrupted.word());
        recorded.note(self.phase, self.sent_ns, is_interrupted);
    }
}

/// What a file of records has of each cell. A line that cannot be read counts as not
/// there.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn recorded_cells(
    file: &LineFile,
) -> Result<HashMap<CellKey, CellRecorded>, StoreError> {
    let mut cells: HashMap<CellKey, CellRecorded> = HashMap::new();
    file.each_good(|placed: Placed| {
        let key = CellKey {
            backend: placed.backend.clone(),
            block: placed.block,
            level: placed.level,
        };
        placed.note_in(cells.entry(key).or_default());
    })?;
    Ok(cells)
}
