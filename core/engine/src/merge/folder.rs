//! The folder of a merged run, and what is in it besides the records.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::same::ShardFolder;
use crate::os::private;
use crate::store::{RunFolder, SampleFile, StoreError};

/// What a run was.
pub(super) const MANIFEST: &str = "run.json";
/// File of the records.
pub(super) const REQUESTS: &str = "requests.jsonl";
/// Files of samples of each host.
const SAMPLES: [&str; 3] = ["gpu.jsonl", "host.jsonl", "server_metrics.jsonl"];
/// Folder with what is of each shard alone.
const OF_SHARDS: &str = "shards";

/// Makes the folder. What a killed merge left there is taken away before.
pub(super) fn new_folder(output: &Path) -> Result<RunFolder, StoreError> {
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

/// Keeps the samples of each host, and those of the first as the run's own: its clock is
/// the run's.
pub(super) fn copy_samples(folder: &RunFolder, whole: &[ShardFolder]) -> Result<(), StoreError> {
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
