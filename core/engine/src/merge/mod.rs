//! Folders of shards in, one run folder out: every record, on one clock. What follows
//! from them is for `derive`, as of any run.

mod error;
mod folder;
mod joined;
mod records;
mod same;
mod shards;
mod shift;

use std::path::{Path, PathBuf};
use std::{fs, io};

use inferbench_model::facts::changed_shard::ChangedShard;
use inferbench_model::facts::manifest::{Anchor, FileFacts, Manifest};
use inferbench_model::facts::shard::{MergedFacts, MergedShard, clock_step_ms};

pub use error::{Lost, MergeError};
use folder::{MANIFEST, REQUESTS, copy_samples, new_folder};
use records::{LeftRecords, ShardRecords, merge_records};
use same::{ShardFolder, must_be_distinct, must_be_of_one_run, must_have_same_cells};
use shards::{shards_in, sort_out};

use crate::derive::FirstReading;
use crate::os::limits;
use crate::store::hash::{self, HashedFile};
use crate::store::{Altered, RunFolder, StoreError, not_as_left};

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
