//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

pub(crate) mod samples;
pub mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use inferbench_model::cell::fold::{CellDigest, CellFold};
use inferbench_model::cell::row::{self, CELLS_SCHEMA_VERSION, CellRow, CellsFile};
use inferbench_model::config::{Config, Level, SloConfig};
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::record::{Phase, RequestRecord, ServerSample, Timing};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::window::WindowFold;
use inferbench_model::hardware::over_time::Timeline;
use inferbench_model::report::Report;
use inferbench_model::report::kv::{self, KvObserver, KvReport, MemoryReading};
use inferbench_model::report::runs::{MeasuredRun, RunsError, RunsOptions};
use serde::Deserialize;
use thiserror::Error;

use crate::store::{self, LineFile, RunFolder, SampleFile, StoreError};

/// A run folder that nothing can be derived from.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// A file of facts cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is none.
    #[error("{}: is no run folder: it has no run.json", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// The newest run folder in it.
        newest: Option<PathBuf>,
    },
    /// There is no such folder.
    #[error("{}: there is no such folder", .0.display())]
    NoFolder(PathBuf),
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

impl DeriveError {
    /// One thing to do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRun {
                newest: Some(newest),
                ..
            } => Some(format!("its newest run is {}", newest.display())),
            _ => None,
        }
    }
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
    let (run, timeline) = measured(folder, None)?;
    let places = run.cells.iter().map(cell_name).zip(&run.digests);
    let digests: HashMap<String, &CellDigest> = places.collect();
    let nothing = CellFold::new(None, run.config.slo).digest();
    let digest_of = |row: &CellRow| digests.get(&cell_name(row)).copied().unwrap_or(&nothing);
    let report = Report::build(&run.manifest, &run.config, &run.cells, &digest_of);
    let mut report = report.with_timeline(timeline);
    let folder = RunFolder::open(folder);
    report.take_kv(kv_of(&folder, &run.manifest, &report.levels)?);
    let cells = CellsFile {
        schema_version: CELLS_SCHEMA_VERSION,
        simulated: run.manifest.is_simulated(),
        cells: run.cells,
    };
    Ok(Derived {
        manifest: run.manifest,
        cells,
        report,
    })
}

/// The report of several run folders side by side. `folders`: label and place
/// of each. Goodput is counted with the limits of the baseline in all of them.
///
/// # Errors
/// See [`CompareError`].
pub fn compare(
    folders: &[(String, PathBuf)],
    options: &RunsOptions,
) -> Result<Report, CompareError> {
    let baseline = folders.get(options.baseline);
    let slo = baseline.map(|(_, folder)| config_of(folder)).transpose()?;
    let slo = slo.map(|config| config.slo);
    let runs = folders.iter().map(|(label, folder)| {
        let (run, _) = measured(folder, slo)?;
        let levels = run.config.load.levels();
        Ok(MeasuredRun {
            label: label.clone(),
            kv: kv_of(&RunFolder::open(folder), &run.manifest, &levels)?,
            ..run
        })
    });
    let runs = runs.collect::<Result<Vec<_>, DeriveError>>()?;
    Ok(Report::build_several(&runs, options)?)
}

/// Runs that cannot be set side by side.
#[derive(Debug, Error)]
pub enum CompareError {
    /// One of them cannot be read.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// They do not belong together.
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// What is wrong with a folder without a manifest.
fn no_run(folder: &Path) -> DeriveError {
    if !folder.exists() {
        return DeriveError::NoFolder(folder.to_owned());
    }
    DeriveError::NoRun {
        folder: folder.to_owned(),
        newest: store::newest_run(folder),
    }
}

fn config_of(folder: &Path) -> Result<Config, DeriveError> {
    Ok(manifest_of(folder)?.1)
}

fn manifest_of(folder: &Path) -> Result<(Manifest, Config), DeriveError> {
    let run = RunFolder::open(folder);
    if !run.file("run.json").exists() {
        return Err(no_run(folder));
    }
    let folder = folder.display().to_string();
    let Version { schema_version } = store::read_json(&run.file("run.json"))?;
    if schema_version != RUN_SCHEMA_VERSION {
        return Err(DeriveError::Version {
            folder,
            found: schema_version,
        });
    }
    let manifest: Manifest = store::read_json(&run.file("run.json"))?;
    let config = serde_json::from_value(manifest.config.clone());
    let config = config.map_err(|error| DeriveError::Config {
        folder,
        reason: error.to_string(),
    })?;
    Ok((manifest, config))
}

/// The one field that every version of `run.json` has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// The cells of a run with what was kept of their records, and its timeline.
/// `slo`: limits in place of those of its config.
fn measured(folder: &Path, slo: Option<SloConfig>) -> Result<(MeasuredRun, Timeline), DeriveError> {
    let run = RunFolder::open(folder);
    let (manifest, mut config) = manifest_of(folder)?;
    config.slo = slo.unwrap_or(config.slo);
    let file = LineFile::open(&run.file("requests.jsonl"))?;
    let cells = take_in(&file, &manifest, &config)?;
    let windows = cells.list.iter().map(|c| (c.key.clone(), c.fold.window()));
    let hardware = samples::take_in(&run, &manifest, &config, &windows.collect::<Vec<_>>())?;
    let mut rows = Vec::new();
    let mut digests = Vec::new();
    for (cell, hardware) in cells.list.into_iter().zip(hardware.cells) {
        let row = row::row_of(cell.key, &cell.fold, cell.self_check);
        rows.push(match hardware {
            Some(hardware) => row.with_hardware(hardware),
            None => row,
        });
        digests.push(cell.fold.digest());
    }
    let run = MeasuredRun {
        label: config.name.clone(),
        manifest,
        config,
        cells: rows,
        digests,
        kv: None,
    };
    Ok((run, hardware.timeline))
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

fn cell_name(row: &CellRow) -> String {
    format!("{}\n{}\n{}", row.backend, row.block, row.level)
}
