//! Whether the facts in a run folder are those that its run left there: whoever makes
//! something new of them would vouch for what was put in their place.

use std::path::PathBuf;

use inferbench_model::facts::manifest::{ExitState, Manifest, RUN_SCHEMA_VERSION};
use thiserror::Error;

use super::error::StoreError;
use super::folder::RunFolder;
use super::hash::{fact_files, is_as_said};
use super::seal;

/// What a run was.
const MANIFEST: &str = "run.json";

/// The first thing that is not as the run left it.
#[derive(Debug, Error)]
pub enum Altered {
    /// `run.json` itself.
    #[error("{}: is not as the run wrote it at its end", .0.display())]
    Manifest(PathBuf),
    /// It vouches for nothing.
    #[error("{}: has no hashes of the run's files, which a run writes at its end", .0.display())]
    NoHashes(PathBuf),
    /// A file is another one.
    #[error("{}: has not the hash that run.json gives: it was changed", .0.display())]
    Edited(PathBuf),
    /// A file is missing, or its end is, as after a loss of power.
    #[error("{}: is missing or was cut short", .0.display())]
    Lost(PathBuf),
    /// A file that would be read was put there.
    #[error("{}: run.json does not list it", .0.display())]
    Unlisted(PathBuf),
    /// A file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Refuses facts that are others than the run left. Of a run that did not come to its end
/// nothing is known of them. `known`: a file whose hash is looked at elsewhere.
///
/// # Errors
/// The first that is not.
pub(crate) fn must_be_as_left(
    run: &RunFolder,
    manifest: &Manifest,
    known: Option<&str>,
) -> Result<(), Altered> {
    let file = run.file(MANIFEST);
    let has_end = manifest.exit_state != ExitState::Running;
    let is_sealed = match &manifest.own_sha256 {
        Some(recorded) => seal::own_sha256(&file, recorded)? == *recorded,
        None => !has_end || manifest.schema_version < RUN_SCHEMA_VERSION,
    };
    if !is_sealed {
        return Err(Altered::Manifest(file));
    }
    if !has_end {
        return Ok(());
    }
    if manifest.files.is_empty() {
        return Err(Altered::NoHashes(file));
    }
    let there = fact_files(run)?;
    let unlisted = there
        .iter()
        .find(|(name, _)| !manifest.files.contains_key(*name));
    if let Some((_, path)) = unlisted {
        return Err(Altered::Unlisted(path.clone()));
    }
    let (mut lost, mut edited) = (None, None);
    for (name, said) in &manifest.files {
        // A name that is none of a run's files leads elsewhere, and is not there.
        let Some(path) = there.get(name) else {
            lost = lost.or(Some(run.file(name)));
            continue;
        };
        if known == Some(name.as_str()) || is_as_said(path, said) {
            continue;
        }
        match path.metadata().is_ok_and(|file| file.len() < said.bytes) {
            true => lost = lost.or(Some(path.clone())),
            false => edited = edited.or(Some(path.clone())),
        }
    }
    // What was edited is worse than what was lost.
    match (edited, lost) {
        (Some(path), _) => Err(Altered::Edited(path)),
        (None, Some(path)) => Err(Altered::Lost(path)),
        (None, None) => Ok(()),
    }
}
