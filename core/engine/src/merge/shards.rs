//! The shards in the folders that were named: which came to their end, and which are lost.

use std::fs;
use std::path::{Path, PathBuf};

use inferbench_model::facts::manifest::{ExitState, Manifest};

use super::error::{Lost, MergeError};
use super::folder::MANIFEST;
use super::same::ShardFolder;
use crate::derive;

/// The shards in the folders.
pub(super) fn shards_in(folders: &[PathBuf]) -> Result<Vec<ShardFolder>, MergeError> {
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
pub(super) fn sort_out(found: Vec<ShardFolder>, count: u32) -> (Vec<ShardFolder>, Vec<Lost>) {
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
