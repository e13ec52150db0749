//! From the facts in a run folder to everything that is derived from them,
//! with no GPU, no network and no clock.

mod cells;
mod error;
mod first_reading;
mod folded;
mod manifest;
mod placed;
pub(crate) mod samples;
mod searched;
mod short_cells;
pub mod verify;

use std::path::{Path, PathBuf};

use inferbench_model::cell::row::{CELLS_SCHEMA_VERSION, CellsFile};
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::report::runs::{MeasuredRun, RunsOptions};
use inferbench_model::report::{Extras, Report};

pub(crate) use error::no_run;
pub use error::{CompareError, DeriveError};
pub use first_reading::FirstReading;
use folded::FoldedRun;
pub(crate) use manifest::manifest_of;
pub(crate) use placed::{Placed, recorded_cells};

use crate::store::{self, Altered, RunFolder};

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
    let limits = baseline
        .map(|(_, folder)| manifest_of(folder))
        .transpose()?;
    let limits = limits.map(|(_, config)| config);
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
