//! Reads the samples of a run folder one at a time and folds them into figures of
//! the hardware. What the figures mean is for the model.

use std::path::Path;

use inferbench_model::config::Config;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::window::Window;
use inferbench_model::hardware::{Frame, Hardware, HardwareFold};
use serde::de::DeserializeOwned;

use crate::store::{RunFolder, SampleFile, StoreError};

/// What follows from the samples in `run`; `cells`: every cell with its window.
/// A missing file holds none, and a line that cannot be read is skipped and
/// counted in the timeline's notes.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn take_in(
    run: &RunFolder,
    manifest: &Manifest,
    config: &Config,
    cells: &[(CellKey, Option<Window>)],
) -> Result<Hardware, StoreError> {
    let mut fold = HardwareFold::new(Frame::of_run(manifest, config, cells));
    let file = |name: &str| run.file(name);
    each(&file("gpu.jsonl"), &mut fold, |fold, sample| {
        fold.add_gpu(&sample)
    })?;
    each(&file("host.jsonl"), &mut fold, |fold, sample| {
        fold.add_host(&sample)
    })?;
    each(&file("server_metrics.jsonl"), &mut fold, |fold, sample| {
        fold.add_server(&sample);
    })?;
    Ok(fold.finish())
}

fn each<T: DeserializeOwned>(
    path: &Path,
    fold: &mut HardwareFold,
    take: impl Fn(&mut HardwareFold, T),
) -> Result<(), StoreError> {
    let bad = SampleFile::open(path)?.each_good(|sample| take(fold, sample))?;
    if bad > 0 {
        let name = path.file_name().unwrap_or_default().display();
        fold.note(format!(
            "lines of {name} skipped, which cannot be read: {bad}"
        ));
    }
    Ok(())
}
