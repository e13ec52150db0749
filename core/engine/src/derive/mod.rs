//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

mod placed;
pub(crate) mod samples;
mod searched;
mod short_cells;
pub mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use inferbench_model::cell::fold::{CellDigest, CellFold};
use inferbench_model::cell::measured::MeasuredCell;
use inferbench_model::cell::row::{self, CELLS_SCHEMA_VERSION, CellRow, CellsFile};
use inferbench_model::config::{Config, Level, Slos, beyond_limits};
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::ServerSample;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::shared_window::SharedWindow;
use inferbench_model::hardware::over_time::Timeline;
use inferbench_model::plan::shard::Shard;
use inferbench_model::report::kv::{self, KvObserver, KvReport, MemoryReading};
use inferbench_model::report::runs::{MeasuredRun, RunsError, RunsOptions};
use inferbench_model::report::{Extras, Report};
use serde::Deserialize;
use thiserror::Error;

use placed::Placed;
pub(crate) use placed::recorded_cells;

use crate::store::{self, Altered, LineFile, RunFolder, SampleFile, StoreError};

/// Oldest schema version of `run.json` that is read: its warnings are sentences,
/// and its plan has levels without an index.
const OLDEST_SCHEMA_VERSION: u32 = 1;

/// A run folder that nothing can be derived from.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// A file of facts cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is none.
    #[error("{}: is no run folder: it has no run.json", folder.display())]
    NoRun {
        folder: PathBuf,
        /// The newest run folder in it.
        newest: Option<PathBuf>,
    },
    /// There is no such folder.
    #[error("{}: there is no such folder", .0.display())]
    NoFolder(PathBuf),
    /// It was made by another version.
    #[error(
        "{folder}/run.json has schema_version {found}, this build reads {OLDEST_SCHEMA_VERSION} to {RUN_SCHEMA_VERSION}"
    )]
    Version { folder: String, found: u32 },
    /// It is a part of a run.
    #[error("{}: is {shard}, a part of a run", folder.display())]
    Shard { folder: PathBuf, shard: Shard },
    /// Its config is not one.
    #[error("{folder}/run.json: `config` cannot be understood: {reason}")]
    Config { folder: String, reason: String },
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
            Self::Shard { .. } => {
                Some("join all shards first: inferbench merge DIR... -o RUN".to_owned())
            }
            _ => None,
        }
    }
}

/// What follows from a run folder.
#[derive(Debug)]
pub struct Derived {
    pub manifest: Manifest,
    pub cells: CellsFile,
    pub report: Report,
}

/// Derives everything from the facts in `folder`.
///
/// # Errors
/// See [`DeriveError`].
pub fn derive(folder: &Path) -> Result<Derived, DeriveError> {
    let run = FoldedRun::read(folder, None)?;
    let extras = Extras {
        timeline: Some(run.timeline.clone()),
        kv: run.kv(folder)?,
    };
    let report = Report::build(&run.manifest, &run.config, &run.measured_cells(), extras);
    let cells = CellsFile {
        schema_version: CELLS_SCHEMA_VERSION,
        simulated: run.manifest.is_simulated(),
        cells: run.rows,
    };
    Ok(Derived {
        manifest: run.manifest,
        cells,
        report,
    })
}

/// What in `folder` is not as its run left it, if anything: what follows from it is then no
/// result of that run.
///
/// # Errors
/// If its `run.json` cannot be read.
pub fn altered(folder: &Path) -> Result<Option<Altered>, DeriveError> {
    let (manifest, _) = manifest_of(folder)?;
    Ok(store::must_be_as_left(&RunFolder::open(folder), &manifest, None).err())
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
    let limits = baseline.map(|(_, folder)| config_of(folder)).transpose()?;
    let folded = folders
        .iter()
        .map(|(_, folder)| FoldedRun::read(folder, limits.as_ref()));
    let folded = folded.collect::<Result<Vec<_>, DeriveError>>()?;
    let runs = folders.iter().zip(&folded).map(|((label, folder), run)| {
        Ok(MeasuredRun {
            label: label.clone(),
            manifest: run.manifest.clone(),
            config: run.config.clone(),
            cells: run.measured_cells(),
            kv: run.kv(folder)?,
            timeline: Some(run.timeline.clone()),
        })
    });
    let runs = runs.collect::<Result<Vec<_>, DeriveError>>()?;
    Ok(Report::build_several(&runs, options)?)
}

/// Runs that cannot be compared.
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

pub(crate) fn manifest_of(folder: &Path) -> Result<(Manifest, Config), DeriveError> {
    let run = RunFolder::open(folder);
    let file = run.file("run.json");
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(no_run(folder)),
        // It may be there, and be somebody else's.
        Err(source) => return Err(StoreError::new(&file, "cannot be read", source).into()),
    }
    let folder = folder.display().to_string();
    let Version { schema_version } = store::read_json(&run.file("run.json"))?;
    if !(OLDEST_SCHEMA_VERSION..=RUN_SCHEMA_VERSION).contains(&schema_version) {
        return Err(DeriveError::Version {
            folder,
            found: schema_version,
        });
    }
    let mut manifest: Manifest = store::read_json(&run.file("run.json"))?;
    let config: Result<Config, _> = serde_json::from_value(manifest.config.clone());
    let config = config
        .map_err(|error| error.to_string())
        .and_then(|config| match beyond_limits(&config).first() {
            Some(error) => Err(error.to_string()),
            None => Ok(config),
        });
    let config = config.map_err(|reason| DeriveError::Config { folder, reason })?;
    if schema_version == OLDEST_SCHEMA_VERSION {
        manifest.plan.index_levels(&config.load.levels());
    }
    Ok((manifest, config))
}

/// The one field that every version of `run.json` has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// A run of which every record has been taken in.
struct FoldedRun {
    manifest: Manifest,
    config: Config,
    rows: Vec<CellRow>,
    /// What is kept of the records of each row's cell, in the order of `rows`.
    digests: Vec<CellDigest>,
    timeline: Timeline,
}

impl FoldedRun {
    /// `limits`: the config whose limits are taken in place of its own.
    fn read(folder: &Path, limits: Option<&Config>) -> Result<Self, DeriveError> {
        let run = RunFolder::open(folder);
        let (mut manifest, mut config) = manifest_of(folder)?;
        if let Some(facts) = &manifest.shard {
            return Err(DeriveError::Shard {
                folder: folder.to_owned(),
                shard: facts.shard,
            });
        }
        let slos = limits.unwrap_or(&config).slos();
        config.slo = limits.map_or(config.slo, |limits| limits.slo);
        let file = LineFile::open(&run.file("requests.jsonl"))?;
        let cells = take_in(&file, &manifest, &slos)?;
        config
            .load
            .set_measured(cells.list.iter().map(|cell| cell.key.level));
        let windows = cells.list.iter().map(|c| (c.key.clone(), c.fold.window()));
        let hardware = samples::take_in(&run, &manifest, &config, &windows.collect::<Vec<_>>())?;
        short_cells::note(&mut manifest, &config, &cells.list);
        let mut rows = Vec::new();
        let mut digests = Vec::new();
        for (cell, hardware) in cells.list.into_iter().zip(hardware.cells) {
            let price_per_hour = config.price_per_hour_of(&cell.key.backend);
            let row = row::row_of(cell.key, &cell.fold, cell.self_check);
            let row = row.with_price(price_per_hour);
            let row = match &manifest.merged {
                Some(merged) => row.with_clocks_apart(merged.clocks_apart_ms()),
                None => row,
            };
            let row = match config.slo_of_cells() {
                Some(slo) => row.with_promise(slo, &cell.fold),
                None => row,
            };
            rows.push(match hardware {
                Some(hardware) => row.with_hardware(hardware),
                None => row,
            });
            digests.push(cell.fold.digest());
        }
        Ok(Self {
            manifest,
            config,
            rows,
            digests,
            timeline: hardware.timeline,
        })
    }

    fn measured_cells(&self) -> Vec<MeasuredCell<'_>> {
        let cells = self.rows.iter().zip(&self.digests);
        let measured = cells.map(|(row, digest)| MeasuredCell {
            row: row.clone(),
            digest,
        });
        measured.collect()
    }

    /// What is known of the KV caches. Files of samples that are not there say
    /// nothing.
    fn kv(&self, folder: &Path) -> Result<Option<KvReport>, StoreError> {
        let run = RunFolder::open(folder);
        let mut observer = KvObserver::new(&self.manifest);
        let file = |name| SampleFile::open(&run.file(name));
        // Lines that cannot be read are counted where the hardware's figures are made.
        file("gpu.jsonl")?.each_good(|reading: MemoryReading| observer.add_memory(&reading))?;
        file("server_metrics.jsonl")?
            .each_good(|sample: ServerSample| observer.add_server(&sample))?;
        let levels = self.config.load.levels();
        Ok(kv::build(&self.manifest, &levels, &observer.finish()))
    }
}

/// A cell while its records are read.
struct Cell {
    key: CellKey,
    self_check: SelfCheck,
    window: SharedWindow,
    recorded: CellRecorded,
    fold: CellFold,
}

/// Cells in their order: those of the manifest, then those that only have
/// records because the run ended in the middle of them.
#[derive(Default)]
struct Cells {
    list: Vec<Cell>,
    by_key: HashMap<CellKey, usize>,
    /// Shards that made the load.
    shards: u32,
    /// The one that was asked for last: neighbouring lines are mostly of one.
    last: usize,
}

/// Takes in every record, read twice and never kept: what counts as the
/// measured window is known only after the last one.
fn take_in(file: &LineFile, manifest: &Manifest, slos: &Slos) -> Result<Cells, StoreError> {
    let mut cells = Cells {
        shards: manifest.shard_count(),
        ..Cells::default()
    };
    for cell in &manifest.cells {
        cells.add(cell.key.clone(), cell.self_check.clone());
    }
    file.each(|placed: Placed| {
        let at = cells.place(&placed.backend, placed.block, placed.level);
        let cell = &mut cells.list[at];
        cell.window.add(placed.index, &placed.timing());
        placed.note_in(&mut cell.recorded);
    })?;
    for cell in &mut cells.list {
        cell.fold = CellFold::new(cell.window.window(), slos.clone());
        cell.window = SharedWindow::default();
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
        self.by_key.entry(key.clone()).or_insert(at);
        self.list.push(Cell {
            key,
            self_check,
            window: SharedWindow::new(self.shards),
            recorded: CellRecorded::default(),
            fold: CellFold::new(None, Slos::default()),
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
            self.last = match self.by_key.get(&key) {
                Some(at) => *at,
                None => self.add(key, SelfCheck::default()),
            };
        }
        self.last
    }
}
