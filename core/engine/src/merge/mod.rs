//! Folders of shards in, one run folder out: every record, on one clock. What follows
//! from them is for `derive`, as of any run.

mod error;
mod joined;
mod records;
mod same;
mod shift;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use inferbench_model::facts::changed_shard::ChangedShard;
use inferbench_model::facts::manifest::{Anchor, ExitState, FileFacts, Manifest};
use inferbench_model::facts::shard::{MergedFacts, MergedShard, clock_step_ms};

pub use error::{Lost, MergeError};
use records::{LeftRecords, ShardRecords, merge_records};
use same::{ShardFolder, must_be_distinct, must_be_of_one_run, must_have_same_cells};

use crate::derive::{self, FirstReading};
use crate::os::{limits, private};
use crate::store::hash::{self, HashedFile};
use crate::store::{Altered, RunFolder, SampleFile, StoreError, not_as_left};

/// What a run was.
const MANIFEST: &str = "run.json";
/// File of the records.
const REQUESTS: &str = "requests.jsonl";
/// Files of samples of each host.
const SAMPLES: [&str; 3] = ["gpu.jsonl", "host.jsonl", "server_metrics.jsonl"];
/// Folder with what is of each shard alone.
const OF_SHARDS: &str = "shards";

/// A run that was merged.
#[derive(Debug)]
pub struct Merged {
    /// Its folder.
    pub folder: RunFolder,
    /// What it was made from.
    pub facts: MergedFacts,
    /// Shards that it lacks.
    pub lost: Vec<Lost>,
    /// What a first reading of its records finds.
    pub first: FirstReading,
}

/// What is merged all the same, into a run without a verdict.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// Shards may be lost, and are left out.
    pub missing: bool,
    /// Facts of shards may have been changed after their run.
    pub changed: bool,
}

/// Merges the shards in `folders`, each a run folder or a folder with some in it, into
/// the new run folder `output`.
///
/// # Errors
/// See [`MergeError`]; then nothing is left at `output`.
pub fn merge(folders: &[PathBuf], output: &Path, allowed: Allowed) -> Result<Merged, MergeError> {
    let found = shards_in(folders)?;
    let first = found.first().ok_or(MergeError::Nothing)?;
    found[1..]
        .iter()
        .try_for_each(|shard| must_be_of_one_run(first, shard))?;
    must_be_distinct(&found)?;
    let count = first.facts.shard.count();
    let (mut whole, lost) = sort_out(found, count);
    if whole.is_empty() || !(lost.is_empty() || allowed.missing) {
        return Err(MergeError::Lost { lost, count });
    }
    whole.sort_by_key(|shard| shard.facts.shard.index());
    whole[1..]
        .iter()
        .try_for_each(|shard| must_have_same_cells(&whole[0], shard))?;
    whole.iter().try_for_each(must_be_timely)?;
    let looked_at = whole.iter().map(|shard| changed_in(shard, allowed.changed));
    let changed = looked_at.collect::<Result<Vec<_>, _>>()?;
    // The records of all shards are open at once. Where that is not allowed, the one that
    // is one too many is named.
    drop(limits::raise_open_files());
    let folder = new_folder(output)?;
    match write(&folder, (&whole, &lost), changed, allowed.changed) {
        Ok((facts, first)) => Ok(Merged {
            folder,
            facts,
            lost,
            first,
        }),
        Err(error) => {
            // It was made just now. What stays of it would only be in the way.
            drop(fs::remove_dir_all(output));
            Err(error)
        }
    }
}

/// The shards in the folders.
fn shards_in(folders: &[PathBuf]) -> Result<Vec<ShardFolder>, MergeError> {
    let mut found = Vec::new();
    for folder in folders {
        for path in runs_in(folder) {
            let (mut manifest, _) = derive::manifest_of(&path)?;
            let facts = manifest.shard.take();
            let facts = facts.ok_or_else(|| MergeError::NoShard(path.clone()))?;
            found.push(ShardFolder {
                path,
                manifest,
                facts,
            });
        }
    }
    Ok(found)
}

/// The folder itself if it is one of a run, else those of runs right below it, else
/// itself, which is then refused.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let is_run = |path: &Path| path.join(MANIFEST).exists();
    let below = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = below.map(|entry| entry.path()).collect();
    runs.retain(|path| is_run(path));
    runs.sort();
    match is_run(folder) || runs.is_empty() {
        true => vec![folder.to_owned()],
        false => runs,
    }
}

/// Those that came to their end, and those that are lost.
fn sort_out(found: Vec<ShardFolder>, count: u32) -> (Vec<ShardFolder>, Vec<Lost>) {
    let mut lost: Vec<Lost> = Vec::new();
    for index in 0..count {
        let mut own = found.iter();
        let own = own.find(|shard| shard.facts.shard.index() == index);
        let why = match own {
            None => Some("there is no folder of it".to_owned()),
            Some(shard) => why_lost(&shard.manifest),
        };
        lost.extend(why.map(|why| Lost { index, why }));
    }
    let is_lost = |shard: &ShardFolder| {
        let index = shard.facts.shard.index();
        lost.iter().any(|lost| lost.index == index)
    };
    let whole = found.iter().filter(|shard| !is_lost(shard)).cloned();
    (whole.collect(), lost)
}

/// Why a shard did not come to its end; `None` if it did.
fn why_lost(manifest: &Manifest) -> Option<String> {
    let failure = || {
        let mut stages = manifest.stages.iter();
        stages.find_map(|stage| stage.failure.clone())
    };
    match manifest.exit_state {
        ExitState::Done => None,
        ExitState::Running => Some("its end was not written: it was killed, or goes on".to_owned()),
        ExitState::Interrupted => Some("it was interrupted".to_owned()),
        ExitState::Incomplete => Some(failure().unwrap_or_else(|| {
            "it had a cell without a successful request, or not to its end".to_owned()
        })),
    }
}

/// Refuses a shard whose clocks are not those that its cells began by: every time of it
/// would come to stand elsewhere.
fn must_be_timely(shard: &ShardFolder) -> Result<(), MergeError> {
    for start in &shard.facts.starts {
        let mut cells = shard.manifest.cells.iter();
        let Some(cell) = cells.find(|cell| cell.key == start.key) else {
            continue;
        };
        let at_ns = shard.facts.clock.monotonic_at(start.start_at_ns);
        if !at_ns.is_some_and(|at_ns| (cell.start_ns..=cell.end_ns).contains(&at_ns)) {
            return Err(MergeError::Untimely {
                path: shard.path.join(MANIFEST),
                cell: start.key.clone(),
                start_at_ns: start.start_at_ns,
            });
        }
    }
    Ok(())
}

/// Files of facts, besides the records, that are others than the shard left. The merged run
/// would vouch for them with hashes of its own, so they are refused unless that is `allowed`.
fn changed_in(shard: &ShardFolder, allowed: bool) -> Result<Vec<String>, MergeError> {
    let path = shard.path.join(REQUESTS);
    let file = fs::metadata(&path);
    let bytes = file
        .map_err(|source| StoreError::new(&path, "cannot be read", source))?
        .len();
    let said = shard.manifest.files.get(REQUESTS).map(|facts| facts.bytes);
    if let Some(said) = said.filter(|said| *said != bytes && !allowed) {
        return Err(MergeError::Changed { path, bytes, said });
    }
    // The hash of the records is found while they are read.
    let run = RunFolder::open(&shard.path);
    let altered = not_as_left(&run, &shard.manifest, Some(REQUESTS))?;
    if allowed {
        let files = altered.iter().filter_map(Altered::file);
        let names = files.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
        let mut names: Vec<String> = names.collect();
        names.dedup();
        return Ok(names);
    }
    match altered.into_iter().next() {
        Some(worst) => Err(worst.into()),
        None => Ok(Vec::new()),
    }
}

fn new_folder(output: &Path) -> Result<RunFolder, StoreError> {
    let above = output
        .parent()
        .filter(|above| !above.as_os_str().is_empty());
    let cannot = |source| StoreError::new(output, "cannot be made", source);
    above.map_or(Ok(()), fs::create_dir_all).map_err(cannot)?;
    if is_of_a_killed_merge(output) {
        fs::remove_dir_all(output).map_err(cannot)?;
    }
    private::make_folder(output).map_err(cannot)?;
    RunFolder::take(output)
}

/// Whether a folder is what a merge leaves that did not come to its end: it has nothing but
/// what a merge writes before `run.json`, and no merge writes to it.
fn is_of_a_killed_merge(output: &Path) -> bool {
    if output.is_symlink() || RunFolder::take(output).is_err() {
        return false;
    }
    let is_written_first = |name: &str| {
        let of_samples = SAMPLES.iter().any(|own| {
            let stem = own.trim_end_matches("jsonl");
            name == *own || name.starts_with(stem) && name.ends_with(".jsonl.gz")
        });
        let is_aside = name.ends_with(".part");
        let is_begun = is_aside && (name.starts_with(REQUESTS) || name.starts_with(MANIFEST));
        of_samples || name == OF_SHARDS || name == REQUESTS || is_begun
    };
    // Records alone may be those of a run that has lost its `run.json`.
    if output.join(REQUESTS).exists() && !output.join(OF_SHARDS).is_dir() {
        return false;
    }
    let names = fs::read_dir(output).into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name())
        .all(|name| name.to_str().is_some_and(is_written_first))
}

/// `changed`: files of each shard that are not as it left them, besides the records.
fn write(
    folder: &RunFolder,
    (whole, lost): (&[ShardFolder], &[Lost]),
    changed: Vec<Vec<String>>,
    allow_changed: bool,
) -> Result<(MergedFacts, FirstReading), MergeError> {
    let base = &whole[0].facts.clock;
    let shifts_ns = whole
        .iter()
        .map(|shard| shard.facts.clock.shift_to_ns(base));
    let shifts_ns: Vec<i64> = shifts_ns.collect();
    let records = write_records(folder, (whole, &shifts_ns), allow_changed)?;
    copy_samples(folder, whole)?;
    let each = whole.iter().zip(&shifts_ns).zip(records.of_shards);
    let shards = each.map(|((shard, shift_ns), requests)| MergedShard {
        index: shard.facts.shard.index(),
        hostname: shard.manifest.host.hostname.clone(),
        clock: shard.facts.clock.clone(),
        shift_ns: *shift_ns,
        clock_step_ms: clock_step(&shard.manifest),
        requests,
        run_sha256: hash::file_sha256(&shard.path.join(MANIFEST)),
        exit_state: shard.manifest.exit_state,
        starts: shard.facts.starts.clone(),
    });
    let facts = MergedFacts {
        count: whole[0].facts.shard.count(),
        shards: shards.collect(),
        missing: lost.iter().map(|lost| lost.index).collect(),
        changed: changed_shards(whole, changed, &records.changed),
    };
    let manifests = whole.iter().map(|shard| &shard.manifest).zip(shifts_ns);
    let mut manifest = joined::manifest(&manifests.collect::<Vec<_>>(), facts.clone());
    manifest.files = hash::file_facts_beside(folder, (REQUESTS, records.file))?;
    let unwritable = |source| StoreError::new(&folder.file(MANIFEST), "cannot be written", source);
    let value = serde_json::to_value(&manifest);
    let mut value = value.map_err(|error| unwritable(error.into()))?;
    folder.write_sealed(MANIFEST, &mut value)?;
    Ok((facts, records.first))
}

/// The shards that are not as they were left. `records`: whether those of each are not.
fn changed_shards(
    whole: &[ShardFolder],
    files: Vec<Vec<String>>,
    records: &[bool],
) -> Vec<ChangedShard> {
    let each = whole.iter().zip(files).zip(records);
    let each = each.map(|((shard, mut files), records)| {
        if *records && !files.iter().any(|name| name == REQUESTS) {
            files.push(REQUESTS.to_owned());
        }
        ChangedShard {
            shard: shard.facts.shard.index(),
            files,
        }
    });
    each.filter(|shard| !shard.files.is_empty()).collect()
}

/// By how much the machine's wall clock was set between the two moments that a run
/// records of both clocks, ms.
fn clock_step(manifest: &Manifest) -> Option<f64> {
    let (first, last) = (manifest.anchors.first()?, manifest.anchors.last()?);
    let moment = |anchor: &Anchor| {
        let wall: jiff::Timestamp = anchor.utc.parse().ok()?;
        Some((wall.as_nanosecond(), anchor.monotonic_ns))
    };
    clock_step_ms(moment(first)?, moment(last)?)
}

/// Records of all shards as they were written.
struct WrittenRecords {
    /// How many there are of each shard.
    of_shards: Vec<u64>,
    /// Whether those of each shard are others than it left.
    changed: Vec<bool>,
    /// Size and hash of all.
    file: FileFacts,
    first: FirstReading,
}

fn write_records(
    folder: &RunFolder,
    (whole, shifts_ns): (&[ShardFolder], &[i64]),
    allow_changed: bool,
) -> Result<WrittenRecords, MergeError> {
    let opened = whole.iter().zip(shifts_ns).map(|(shard, shift_ns)| {
        let path = shard.path.join(REQUESTS);
        let said = shard.manifest.files.get(REQUESTS);
        let left = LeftRecords {
            sha256: said.map(|facts| facts.sha256.clone()),
            may_be_changed: allow_changed,
        };
        ShardRecords::open(&path, (shard.facts.shard, *shift_ns), left)
    });
    let mut records = opened.collect::<Result<Vec<_>, _>>()?;
    let mut merged = Ok((FirstReading::new(1), FileFacts::default()));
    let written = folder.write_with(REQUESTS, |file| {
        let mut file = HashedFile::new(file);
        merged = merge_records(&mut records, &mut file).map(|first| (first, file.facts()));
        match merged {
            Ok(_) => Ok(()),
            // The cause is the merge's own.
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    });
    let (first, file) = merged?;
    written?;
    Ok(WrittenRecords {
        of_shards: records.iter().map(|shard| shard.read).collect(),
        changed: records.iter().map(|shard| shard.is_changed).collect(),
        file,
        first,
    })
}

/// Keeps the samples of each host, and those of the first as the run's own: its clock is
/// the run's.
fn copy_samples(folder: &RunFolder, whole: &[ShardFolder]) -> Result<(), StoreError> {
    for (place, shard) in whole.iter().enumerate() {
        let index = shard.facts.shard.index().to_string();
        let own = folder.file(OF_SHARDS).join(index);
        private::make_folders(&own)
            .map_err(|source| StoreError::new(&own, "cannot be made", source))?;
        copy(&shard.path.join(MANIFEST), &own.join(MANIFEST))?;
        for name in SAMPLES {
            for part in SampleFile::open(&shard.path.join(name))?.parts() {
                let name = part.file_name().unwrap_or_default();
                copy(part, &own.join(name))?;
                if place == 0 {
                    copy(part, &folder.path().join(name))?;
                }
            }
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copied = File::open(from).and_then(|mut from| {
        let mut to = private::create(to)?;
        io::copy(&mut from, &mut to)
    });
    let copied = copied.map(|_| ());
    copied.map_err(|source| StoreError::new(to, "cannot be copied", source))
}
