//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

mod first_reading;
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
use inferbench_model::config::{Config, beyond_limits};
use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::record_line::read_record;
use inferbench_model::facts::samples::ServerSample;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::window::Window;
use inferbench_model::hardware::over_time::Timeline;
use inferbench_model::plan::shard::Shard;
use inferbench_model::report::kv::{self, KvObserver, KvReport, MemoryReading};
use inferbench_model::report::runs::{MeasuredRun, RunsError, RunsOptions};
use inferbench_model::report::{Extras, Report};
use serde::Deserialize;
use thiserror::Error;

pub use first_reading::FirstReading;
pub(crate) use placed::{Placed, recorded_cells};

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
    derive_from(folder, None)
}

/// The same where the first reading of its records is at hand.
///
/// # Errors
/// See [`DeriveError`].
pub fn derive_from(folder: &Path, first: Option<FirstReading>) -> Result<Derived, DeriveError> {
    let run = FoldedRun::read(folder, None, first)?;
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
    Ok(store::must_be_as_left(&RunFolder::open(folder), &manifest).err())
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
        .map(|(_, folder)| FoldedRun::read(folder, limits.as_ref(), None));
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
pub(crate) fn no_run(folder: &Path) -> DeriveError {
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
    /// `limits`: the config whose limits are taken in place of its own, and which it is
    /// compared with.
    fn read(
        folder: &Path,
        limits: Option<&Config>,
        first: Option<FirstReading>,
    ) -> Result<Self, DeriveError> {
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
        let first = match first {
            Some(first) => first,
            None => FirstReading::read(&file, manifest.shard_count())?,
        };
        let compares_texts = limits.is_some() || manifest.backends.len() > 1;
        let cells = take_in(&file, &manifest, first, &|window| {
            let fold = CellFold::new(window, slos.clone());
            match compares_texts {
                true => fold,
                false => fold.without_texts(),
            }
        })?;
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
    recorded: CellRecorded,
    fold: CellFold,
}

/// Cells in their order: those of the manifest, then those that only have
/// records because the run ended in the middle of them.
#[derive(Default)]
struct Cells {
    list: Vec<Cell>,
    by_key: HashMap<CellKey, usize>,
    /// The one that was asked for last: neighbouring lines are mostly of one.
    last: usize,
}

/// Takes in every record, one in memory at a time. `fold`: one for a cell with this window.
fn take_in(
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
