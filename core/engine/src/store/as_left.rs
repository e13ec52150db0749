//! Whether the facts in a run folder are those that its run left there: whoever makes
//! something new of them would vouch for what was put in their place.

use std::path::{Path, PathBuf};

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

impl Altered {
    /// The file that is not; `None` if that is not known.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Manifest(path)
            | Self::NoHashes(path)
            | Self::Edited(path)
            | Self::Lost(path)
            | Self::Unlisted(path) => Some(path),
            Self::Store(_) => None,
        }
    }
}

/// Refuses facts that are others than the run left. Of a run that did not come to its end
/// nothing is known of them.
///
/// # Errors
/// The worst that is not.
pub(crate) fn must_be_as_left(run: &RunFolder, manifest: &Manifest) -> Result<(), Altered> {
    match not_as_left(run, manifest, None)?.into_iter().next() {
        Some(worst) => Err(worst),
        None => Ok(()),
    }
}

/// All that is not as the run left it, the worst first. `known`: a file whose hash is
/// looked at elsewhere.
///
/// # Errors
/// If something cannot be read.
pub(crate) fn not_as_left(
    run: &RunFolder,
    manifest: &Manifest,
    known: Option<&str>,
) -> Result<Vec<Altered>, StoreError> {
    let mut found = Vec::new();
    let file = run.file(MANIFEST);
    let has_end = manifest.exit_state != ExitState::Running;
    let is_sealed = match &manifest.own_sha256 {
        Some(recorded) => seal::own_sha256(&file, recorded)? == *recorded,
        None => !has_end || manifest.schema_version < RUN_SCHEMA_VERSION,
    };
    if !is_sealed {
        found.push(Altered::Manifest(file.clone()));
    }
    if !has_end {
        return Ok(found);
    }
    if manifest.files.is_empty() {
        found.push(Altered::NoHashes(file));
        return Ok(found);
    }
    let there = fact_files(run)?;
    let unlisted = there
        .iter()
        .filter(|(name, _)| !manifest.files.contains_key(*name));
    found.extend(unlisted.map(|(_, path)| Altered::Unlisted(path.clone())));
    let mut lost = Vec::new();
    for (name, said) in &manifest.files {
        if known == Some(name.as_str()) {
            continue;
        }
        // A name that is none of a run's files leads elsewhere, and is not there.
        let Some(path) = there.get(name) else {
            lost.push(Altered::Lost(run.file(name)));
            continue;
        };
        if is_as_said(path, said) {
            continue;
        }
        match path.metadata().is_ok_and(|file| file.len() < said.bytes) {
            true => lost.push(Altered::Lost(path.clone())),
            false => found.push(Altered::Edited(path.clone())),
        }
    }
    // What was edited is worse than what was lost.
    found.extend(lost);
    Ok(found)
}
