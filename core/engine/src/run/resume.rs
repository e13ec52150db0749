//! Resumes a run that did not come to its end: what it measured is kept, the
//! cells that are missing are left to do.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use inferbench_model::config::Level;
use inferbench_model::facts::cell_end::CellPlan;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{BackendFacts, ExitState, Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::plan::Stage;
use inferbench_model::text::difference::{Difference, differences};
use serde::Deserialize;
use thiserror::Error;

use crate::derive::{DeriveError, no_run, recorded_cells};
use crate::os::clock;
use crate::prepare::PreparedRun;
use crate::store::{
    Altered, LineFile, RunFolder, StoreError, keep_lines, must_be_as_left, pack_leftovers,
    read_json,
};

/// Keys of the config that say nothing about what is measured.
const FREE_KEYS: [&str; 1] = ["output"];
/// Files of samples, which go on where they ended.
const SAMPLES: [&str; 3] = ["gpu.jsonl", "host.jsonl", "server_metrics.jsonl"];

/// A run that cannot be resumed.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// Its folder or a file in it cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no run folder.
    #[error(transparent)]
    NoRun(DeriveError),
    /// It was written by a version that this one does not understand.
    #[error("{}: is of schema version {found}, and only {RUN_SCHEMA_VERSION} can be resumed", path.display())]
    Version {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It is a shard, or was merged from some.
    #[error("{}: is of a load that several machines made, and cannot be resumed: run all shards again", folder.display())]
    Shards {
        /// The run folder.
        folder: PathBuf,
    },
    /// Its facts are not those that it left: the run would vouch for them at its end.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// The config is another one.
    #[error("{}: was started with another config", folder.display())]
    Config {
        /// The run folder.
        folder: PathBuf,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// The prompts are others although the config is the same.
    #[error("{}: was started with other prompts: the tokenizer or the prompt file has changed", folder.display())]
    Prompts {
        /// The run folder.
        folder: PathBuf,
    },
}

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) folder: RunFolder,
    pub(crate) manifest: Manifest,
}

/// Opens the folder of a run that was to be what `fresh` is, and takes out of it
/// what belongs to cells that are still to be measured.
pub(crate) fn resume(
    folder: &Path,
    fresh: Manifest,
    prepared: &PreparedRun,
) -> Result<Resumed, ResumeError> {
    if !folder.join("run.json").exists() {
        return Err(ResumeError::NoRun(no_run(folder)));
    }
    let run = RunFolder::take(folder)?;
    let mut manifest = read(&run)?;
    if manifest.shard.is_some() || manifest.merged.is_some() {
        let folder = folder.to_owned();
        return Err(ResumeError::Shards { folder });
    }
    check(folder, &manifest, &fresh)?;
    match must_be_as_left(&run, &manifest) {
        Ok(()) => keep_whole_cells(&run, &mut manifest, prepared)?,
        // Nobody can say of what is left whether it is as it was: all is done again.
        Err(Altered::Lost(_)) => manifest.cells.clear(),
        Err(altered) => return Err(altered.into()),
    }
    keep_done(&run, &mut manifest)?;
    let changed = changed_plugins(&manifest.backends, &fresh.backends);
    manifest.warnings.extend(changed);
    let last_ns = manifest.cells.iter().map(|cell| cell.end_ns).max();
    clock::follow(last_ns.unwrap_or(0));
    manifest.anchors.push(clock::anchor());
    manifest.files.clear();
    manifest.own_sha256 = None;
    manifest.exit_state = ExitState::Running;
    Ok(Resumed {
        folder: run,
        manifest,
    })
}

fn read(run: &RunFolder) -> Result<Manifest, ResumeError> {
    let path = run.file("run.json");
    let version: Version = read_json(&path)?;
    if version.schema_version != RUN_SCHEMA_VERSION {
        return Err(ResumeError::Version {
            path,
            found: version.schema_version,
        });
    }
    Ok(read_json(&path)?)
}

/// Keeps the cells that came to the end of their plan, and of which every record is
/// still there.
fn keep_whole_cells(
    run: &RunFolder,
    manifest: &mut Manifest,
    prepared: &PreparedRun,
) -> Result<(), StoreError> {
    let requests = run.file("requests.jsonl");
    let recorded = match requests.exists() {
        true => recorded_cells(&LineFile::open(&requests)?)?,
        false => HashMap::new(),
    };
    manifest.cells.retain(|cell| {
        let trace = prepared.trace.as_ref();
        let load = prepared.config.load_in(cell.key.block);
        let plan = CellPlan::from_config(&prepared.config, &load, &cell.key, trace);
        let recorded = recorded.get(&cell.key).cloned().unwrap_or_default();
        let is_whole = plan.is_some_and(|plan| recorded.shortfall(plan, cell.end_ns).is_none());
        cell.complete && is_whole
    });
    Ok(())
}

/// Keeps the records and starts of the cells that the manifest has.
fn keep_done(run: &RunFolder, manifest: &mut Manifest) -> Result<(), StoreError> {
    let keys = manifest.cells.iter().map(|cell| cell.key.clone());
    let done: HashSet<CellKey> = keys.collect();
    let is_done = |backend: &str, block: u32, level: Level| {
        done.contains(&CellKey {
            backend: backend.to_owned(),
            block,
            level,
        })
    };
    // A start of which a cell is missing is made anew, and recorded anew.
    let is_whole = |stage: &&Stage| {
        let mut levels = stage.levels.iter();
        levels.all(|planned| is_done(&stage.backend, stage.block, planned.level))
    };
    let whole = manifest.plan.stages.iter().filter(is_whole);
    let whole: HashSet<(String, u32)> = whole.map(|s| (s.backend.clone(), s.block)).collect();
    // But what a tuning has decided by stays: a point that failed has failed.
    let tunes = manifest
        .config
        .get("tune")
        .is_some_and(|tune| !tune.is_null());
    manifest.stages.retain(|stage| {
        let has_ended = stage.failure.is_some() && !stage.interrupted;
        let is_whole = whole.contains(&(stage.backend.clone(), stage.block));
        (is_whole && !(tunes && stage.interrupted)) || (tunes && has_ended)
    });
    keep_lines(&run.file("requests.jsonl"), |line| {
        let cell: Option<CellKey> = serde_json::from_slice(line).ok();
        cell.is_some_and(|cell| done.contains(&cell))
    })?;
    for file in SAMPLES {
        let file = run.file(file);
        pack_leftovers(&file)?;
        keep_lines(&file, |_| true)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

fn check(folder: &Path, was: &Manifest, is: &Manifest) -> Result<(), ResumeError> {
    let mut found = differences(&was.config, &is.config);
    found.retain(|difference| !FREE_KEYS.contains(&difference.path.as_str()));
    if !found.is_empty() {
        return Err(ResumeError::Config {
            folder: folder.to_owned(),
            differences: found,
        });
    }
    if was.workload_sha256 != is.workload_sha256 {
        return Err(ResumeError::Prompts {
            folder: folder.to_owned(),
        });
    }
    Ok(())
}

fn changed_plugins(was: &[BackendFacts], is: &[BackendFacts]) -> Vec<Warning> {
    let pairs = was.iter().zip(is);
    let changed = pairs.filter(|(was, is)| was.plugin_sha256 != is.plugin_sha256);
    changed
        .map(|(was, is)| {
            let kind = WarningKind::PluginChanged {
                plugin: is.plugin.clone(),
                was_version: was.plugin_version.clone(),
                version: is.plugin_version.clone(),
            };
            Warning::about(&was.label, kind)
        })
        .collect()
}
