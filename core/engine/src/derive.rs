//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

use std::collections::HashMap;
use std::path::Path;

use inferbench_model::cell::{self, CELLS_SCHEMA_VERSION, CellKey, CellRow, CellsFile, SelfCheck};
use inferbench_model::config::Config;
use inferbench_model::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::record::RequestRecord;
use inferbench_model::report::Report;
use thiserror::Error;

use crate::store::{self, RunFolder, StoreError};

/// A run folder that nothing can be derived from.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// A file of facts cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was made by another version.
    #[error("{folder}/run.json has schema_version {found}, this build reads {RUN_SCHEMA_VERSION}")]
    Version {
        /// The folder.
        folder: String,
        /// Its version.
        found: u32,
    },
    /// Its config is not one.
    #[error("{folder}/run.json: `config` cannot be understood: {reason}")]
    Config {
        /// The folder.
        folder: String,
        /// Why.
        reason: String,
    },
}

/// What follows from a run folder.
#[derive(Debug)]
pub struct Derived {
    /// The manifest.
    pub manifest: Manifest,
    /// `cells.json`.
    pub cells: CellsFile,
    /// `report.json`.
    pub report: Report,
}

/// Derives everything from the facts in `folder`.
///
/// # Errors
/// See [`DeriveError`].
pub fn derive(folder: &Path) -> Result<Derived, DeriveError> {
    let run = RunFolder::open(folder);
    let shown = folder.display().to_string();
    let manifest: Manifest = store::read_json(&run.file("run.json"))?;
    if manifest.schema_version != RUN_SCHEMA_VERSION {
        return Err(DeriveError::Version {
            folder: shown,
            found: manifest.schema_version,
        });
    }
    let config: Config =
        serde_json::from_value(manifest.config.clone()).map_err(|error| DeriveError::Config {
            folder: shown,
            reason: error.to_string(),
        })?;
    let records: Vec<RequestRecord> = store::read_lines(&run.file("requests.jsonl"))?;
    let (order, by_cell) = group(&manifest, records);
    let rows = order.into_iter().map(|(key, self_check)| {
        let records = by_cell.get(&name_of(&key)).map_or(&[][..], Vec::as_slice);
        cell::row(key, records, config.slo, self_check)
    });
    let cells = CellsFile {
        schema_version: CELLS_SCHEMA_VERSION,
        simulated: manifest.is_simulated(),
        cells: rows.collect(),
    };
    let records_of = |row: &CellRow| {
        let key = CellKey {
            backend: row.backend.clone(),
            block: row.block,
            level: row.level,
        };
        by_cell.get(&name_of(&key)).map_or(&[][..], Vec::as_slice)
    };
    let report = Report::build(&manifest, &config, &cells.cells, &records_of);
    Ok(Derived {
        manifest,
        cells,
        report,
    })
}

type ByCell = HashMap<String, Vec<RequestRecord>>;

/// Records by cell, and the cells in their order: those of the manifest, then
/// those that only have records because the run ended in the middle of them.
fn group(manifest: &Manifest, records: Vec<RequestRecord>) -> (Vec<(CellKey, SelfCheck)>, ByCell) {
    let known = manifest.cells.iter();
    let mut order: Vec<(CellKey, SelfCheck)> = known
        .map(|cell| (cell.key.clone(), cell.self_check.clone()))
        .collect();
    let mut by_cell: ByCell = order
        .iter()
        .map(|(key, _)| (name_of(key), Vec::new()))
        .collect();
    for record in records {
        let key = CellKey {
            backend: record.key.backend.clone(),
            block: record.key.block,
            level: record.key.level,
        };
        let name = name_of(&key);
        if !by_cell.contains_key(&name) {
            order.push((key, SelfCheck::default()));
        }
        by_cell.entry(name).or_default().push(record);
    }
    for records in by_cell.values_mut() {
        records.sort_by_key(|record| record.key.index);
    }
    (order, by_cell)
}

fn name_of(key: &CellKey) -> String {
    format!("{}\n{}\n{}", key.backend, key.block, key.level)
}
