//! What a report is made of.

use std::collections::{HashMap, HashSet};

use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::config::{Config, Level};
use crate::facts::manifest::Manifest;

/// The facts of one run, or of several put together.
pub(crate) struct Source<'s> {
    pub(crate) manifest: &'s Manifest,
    pub(crate) config: &'s Config,
    pub(crate) levels: Vec<Level>,
    pub(crate) cells: &'s [MeasuredCell<'s>],
    /// Place of the run of each backend, where there are several runs.
    pub(crate) run_of: HashMap<&'s str, u32>,
    /// Backends whose own run does not have a level, by its place in `levels`.
    pub(crate) no_level: HashSet<(&'s str, usize)>,
}

impl<'s> Source<'s> {
    /// The cells of a backend at a level, by repeat.
    pub(crate) fn cells_at(&self, backend: &str, level: Level) -> Vec<&'s MeasuredCell<'s>> {
        let is_own = |cell: &&MeasuredCell<'_>| is_of(&cell.row, backend, level);
        let mut own: Vec<&MeasuredCell<'_>> = self.cells.iter().filter(is_own).collect();
        own.sort_by_key(|cell| cell.row.block);
        own
    }
}

fn is_of(row: &CellRow, backend: &str, level: Level) -> bool {
    row.backend == backend && row.level == level
}
