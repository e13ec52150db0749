//! A measured cell: its row, and what is kept of its records.

use crate::cell::fold::CellDigest;
use crate::cell::row::CellRow;

/// A cell of which every record has been taken in.
#[derive(Debug, Clone)]
pub struct MeasuredCell<'d> {
    /// Its row in `cells.json`.
    pub row: CellRow,
    /// What is kept of its records.
    pub digest: &'d CellDigest,
}
