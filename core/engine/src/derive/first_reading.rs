//! The first reading of a run's records: the window of each cell, and whether the cell came
//! to its end. The figures need the window, and so a second reading.

use std::collections::HashMap;

use inferbench_model::config::Level;
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::shared_window::SharedWindow;

use super::placed::Placed;
use crate::store::{LineFile, StoreError};

/// What it finds.
#[derive(Debug)]
pub struct FirstReading {
    /// Shards that made the load.
    shards: u32,
    /// In the order of their first records.
    pub(super) cells: Vec<SeenCell>,
    by_key: HashMap<CellKey, usize>,
    /// The one that was asked for last: neighbouring lines are mostly of one.
    last: usize,
}

/// A cell that has records.
#[derive(Debug)]
pub(super) struct SeenCell {
    pub(super) key: CellKey,
    pub(super) window: SharedWindow,
    pub(super) recorded: CellRecorded,
}

impl FirstReading {
    /// Of records that so many shards made.
    pub(crate) fn new(shards: u32) -> Self {
        Self {
            shards,
            cells: Vec::new(),
            by_key: HashMap::new(),
            last: 0,
        }
    }

    /// Reads a file from its beginning to its end.
    ///
    /// # Errors
    /// If it cannot be read or holds a bad line.
    pub(super) fn read(file: &LineFile, shards: u32) -> Result<Self, StoreError> {
        let mut first = Self::new(shards);
        file.each_by(Placed::read, |placed| first.add(&placed))?;
        Ok(first)
    }

    /// Takes a record, in the order in which they stand.
    pub(crate) fn add(&mut self, placed: &Placed) {
        let at = self.place(&placed.backend, placed.block, placed.level);
        let cell = &mut self.cells[at];
        cell.window.add(placed.index, &placed.timing());
        placed.note_in(&mut cell.recorded);
    }

    fn place(&mut self, backend: &str, block: u32, level: Level) -> usize {
        let known = self.cells.get(self.last);
        if known.is_some_and(|cell| cell.key.is(backend, block, level)) {
            return self.last;
        }
        let key = CellKey {
            backend: backend.to_owned(),
            block,
            level,
        };
        let at = self.cells.len();
        self.last = *self.by_key.entry(key.clone()).or_insert(at);
        if self.last == at {
            self.cells.push(SeenCell {
                key,
                window: SharedWindow::new(self.shards),
                recorded: CellRecorded::default(),
            });
        }
        self.last
    }
}
