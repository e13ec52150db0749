//! The stored calibration of this machine, in the user's data folder.

use std::path::{Path, PathBuf};

use inferbench_model::facts::calibration::{CALIBRATION_SCHEMA_VERSION, Calibration};
use inferbench_model::facts::machine::HostFacts;

use super::error::StoreError;
use super::json::{read_json, write_json_file};
use crate::os::folders::data_folder;

/// Where the calibration of this machine is kept; `None` if the user has no data
/// folder.
#[must_use]
pub fn default_file() -> Option<PathBuf> {
    Some(data_folder()?.join("inferbench/calibration.json"))
}

/// The stored calibration, if there is one, it can be read, and it was made on
/// the machine `host`.
#[must_use]
pub fn stored_for(host: &HostFacts) -> Option<Calibration> {
    let stored: Calibration = read_json(&default_file()?).ok()?;
    let is_readable = stored.schema_version == CALIBRATION_SCHEMA_VERSION;
    (is_readable && stored.is_of(host)).then_some(stored)
}

/// Writes a calibration, and the folder for it.
///
/// # Errors
/// If the file cannot be written.
pub fn write(file: &Path, calibration: &Calibration) -> Result<(), StoreError> {
    write_json_file(file, calibration)
}
