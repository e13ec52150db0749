//! A record as far as its cell needs it: when it was sent and over, and whether it was
//! cut off.

use std::collections::HashMap;

use inferbench_model::config::Level;
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::{Phase, Timing};
use serde::Deserialize;

use crate::store::{LineFile, StoreError};

/// What the first reading takes of a line: the cell, and what its window and its end
/// follow from.
#[derive(Deserialize)]
pub(super) struct Placed {
    pub(super) backend: String,
    pub(super) block: u32,
    pub(super) level: Level,
    pub(super) index: u64,
    phase: Phase,
    scheduled_ns: Option<u64>,
    sent_ns: Option<u64>,
    end_ns: u64,
    #[serde(default)]
    reason: Option<String>,
}

impl Placed {
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
        let interrupted = FailureReason::Interrupted.word();
        let is_interrupted = self.reason.as_deref() == Some(&*interrupted);
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
