//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

use std::collections::HashMap;
use std::path::Path;

use inferbench_model::cell::{self, CELLS_SCHEMA_VERSION, CellKey, CellRow, CellsFile, SelfCheck};
use inferbench_model::config::{Config, Level, SloConfig};
use inferbench_model::fold::CellFold;
use inferbench_model::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::metrics::window::WindowFold;
use inferbench_model::record::{Phase, RequestRecord, ServerSample, Timing};
use inferbench_model::report::Report;
use inferbench_model::report::kv::{self, KvObserver, KvReport, MemoryReading};
use serde::Deserialize;
use thiserror::Error;

use crate::samples;
use crate::store::{self, LineFile, RunFolder, SampleFile, StoreError};

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
    let file = LineFile::open(&run.file("requests.jsonl"))?;
    let cells = take_in(&file, &manifest, &config)?;
    let windows = cells.list.iter().map(|c| (c.key.clone(), c.fold.window()));
    let hardware = samples::take_in(&run, &manifest, &config, &windows.collect::<Vec<_>>())?;
    let mut rows = Vec::new();
    let mut digests = HashMap::new();
    for (cell, hardware) in cells.list.into_iter().zip(hardware.cells) {
        let name = name_of(&cell.key);
        let row = cell::row_of(cell.key, &cell.fold, cell.self_check);
        rows.push(match hardware {
            Some(hardware) => row.with_hardware(hardware),
            None => row,
        });
        digests.insert(name, cell.fold.digest());
    }
    let cells = CellsFile {
        schema_version: CELLS_SCHEMA_VERSION,
        simulated: manifest.is_simulated(),
        cells: rows,
    };
    let nothing = CellFold::new(None, config.slo).digest();
    let digest_of = |row: &CellRow| {
        let key = CellKey {
            backend: row.backend.clone(),
            block: row.block,
            level: row.level,
        };
        digests.get(&name_of(&key)).unwrap_or(&nothing)
    };
    let report = Report::build(&manifest, &config, &cells.cells, &digest_of);
    let mut report = report.with_timeline(hardware.timeline);
    report.take_kv(kv_of(&run, &manifest, &report.levels)?);
    Ok(Derived {
        manifest,
        cells,
        report,
    })
}

/// What is known of the KV caches. Files of samples that are not there tell
/// nothing.
fn kv_of(
    run: &RunFolder,
    manifest: &Manifest,
    levels: &[Level],
) -> Result<Option<KvReport>, StoreError> {
    let mut observer = KvObserver::new(manifest);
    let file = |name| SampleFile::open(&run.file(name));
    // Lines that cannot be read are counted where the hardware's figures are made.
    file("gpu.jsonl")?.each_good(|reading: MemoryReading| observer.add_memory(&reading))?;
    file("server_metrics.jsonl")?.each_good(|sample: ServerSample| observer.add_server(&sample))?;
    Ok(kv::build(manifest, levels, &observer.finish()))
}

/// What the first reading takes of a line: the cell, and what its window
/// follows from.
#[derive(Deserialize)]
struct Placed {
    backend: String,
    block: u32,
    level: Level,
    phase: Phase,
    scheduled_ns: Option<u64>,
    sent_ns: Option<u64>,
    end_ns: u64,
}

/// A cell while its records are read.
struct Cell {
    key: CellKey,
    self_check: SelfCheck,
    window: WindowFold,
    fold: CellFold,
}

/// Cells in their order: those of the manifest, then those that only have
/// records because the run ended in the middle of them.
#[derive(Default)]
struct Cells {
    list: Vec<Cell>,
    by_name: HashMap<String, usize>,
    /// The one that was asked for last: neighbouring lines are mostly of one.
    last: usize,
}

/// Takes in every record, read twice and never kept: what counts as the
/// measured window is known only after the last one.
fn take_in(file: &LineFile, manifest: &Manifest, config: &Config) -> Result<Cells, StoreError> {
    let mut cells = Cells::default();
    for cell in &manifest.cells {
        cells.add(cell.key.clone(), cell.self_check.clone());
    }
    file.each(|placed: Placed| {
        let timing = Timing {
            level: placed.level,
            phase: placed.phase,
            scheduled_ns: placed.scheduled_ns,
            sent_ns: placed.sent_ns,
            end_ns: placed.end_ns,
        };
        let at = cells.place(&placed.backend, placed.block, placed.level);
        cells.list[at].window.add(&timing);
    })?;
    for cell in &mut cells.list {
        cell.fold = CellFold::new(cell.window.window(), config.slo);
        cell.window = WindowFold::default();
    }
    file.each(|record: RequestRecord| {
        let before = cells.last;
        let at = cells.place(&record.backend, record.block, record.level);
        if before != at {
            cells.list[before].fold.pack();
        }
        cells.list[at].fold.add(&record);
    })?;
    Ok(cells)
}

impl Cells {
    fn add(&mut self, key: CellKey, self_check: SelfCheck) -> usize {
        let at = self.list.len();
        self.by_name.entry(name_of(&key)).or_insert(at);
        self.list.push(Cell {
            key,
            self_check,
            window: WindowFold::default(),
            fold: CellFold::new(None, SloConfig::default()),
        });
        at
    }

    /// Where a cell stands in the list, to which it is added if it is new.
    fn place(&mut self, backend: &str, block: u32, level: Level) -> usize {
        let is_it = |cell: &Cell| {
            let key = &cell.key;
            key.level == level && key.block == block && key.backend == backend
        };
        if !self.list.get(self.last).is_some_and(is_it) {
            let key = CellKey {
                backend: backend.to_owned(),
                block,
                level,
            };
            self.last = match self.by_name.get(&name_of(&key)) {
                Some(at) => *at,
                None => self.add(key, SelfCheck::default()),
            };
        }
        self.last
    }
}

fn name_of(key: &CellKey) -> String {
    format!("{}\n{}\n{}", key.backend, key.block, key.level)
}
