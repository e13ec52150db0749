//! The cells of a run while its records are read.

use std::collections::HashMap;

use inferbench_model::cell::fold::CellFold;
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::record_line::read_record;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::window::Window;

use super::first_reading::FirstReading;
use crate::store::{LineFile, StoreError};

/// A cell while its records are read.
pub(super) struct Cell {
    pub(super) key: CellKey,
    pub(super) self_check: SelfCheck,
    pub(super) recorded: CellRecorded,
    pub(super) fold: CellFold,
}

/// Cells in their order: those of the manifest, then those that only have
/// records because the run ended in the middle of them.
#[derive(Default)]
pub(super) struct Cells {
    pub(super) list: Vec<Cell>,
    by_key: HashMap<CellKey, usize>,
    /// The one that was asked for last: neighbouring lines are mostly of one.
    last: usize,
}

/// Takes in every record, one in memory at a time. `fold`: one for a cell with this window.
pub(super) fn take_in(
    file: &LineFile,
    manifest: &Manifest,
    first: FirstReading,
    fold: &dyn Fn(Option<Window>) -> CellFold,
) -> Result<Cells, StoreError> {
    let mut cells = Cells::default();
    for cell in &manifest.cells {
        cells.add(cell.key.clone(), cell.self_check.clone(), fold(None));
    }
    for seen in first.cells {
        let at = match cells.by_key.get(&seen.key) {
            Some(at) => *at,
            None => cells.add(seen.key, SelfCheck::default(), fold(None)),
        };
        cells.list[at].recorded = seen.recorded;
        cells.list[at].fold = fold(seen.window.window());
    }
    let read = |line: &[u8]| match read_record(line) {
        Some(record) => Ok(record),
        None => serde_json::from_slice(line),
    };
    file.each_by(read, |record: RequestRecord| {
        let before = cells.last;
        let Some(at) = cells.place(&record) else {
            return;
        };
        if before != at {
            cells.list[before].fold.pack();
        }
        cells.list[at].fold.add(&record);
    })?;
    Ok(cells)
}

impl Cells {
    fn add(&mut self, key: CellKey, self_check: SelfCheck, fold: CellFold) -> usize {
        let at = self.list.len();
        self.by_key.entry(key.clone()).or_insert(at);
        self.list.push(Cell {
            key,
            self_check,
            recorded: CellRecorded::default(),
            fold,
        });
        at
    }

    /// Where a record's cell stands in the list; it does, since the first reading saw it.
    fn place(&mut self, record: &RequestRecord) -> Option<usize> {
        let RequestRecord {
            backend,
            block,
            level,
            ..
        } = record;
        let known = self.list.get(self.last);
        if !known.is_some_and(|cell| cell.key.is(backend, *block, *level)) {
            let key = CellKey {
                backend: backend.clone(),
                block: *block,
                level: *level,
            };
            self.last = *self.by_key.get(&key)?;
        }
        Some(self.last)
    }
}
