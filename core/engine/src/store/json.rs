//! Reads and writes values as JSON files.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{StoreError, at};
use crate::os::files;

/// Largest JSON file that is read as a whole: no run's manifest comes near it.
const JSON_BYTES: u64 = 256 << 20;

/// Writes a value as a JSON file anywhere, with the folders above it.
///
/// # Errors
/// If it cannot be written.
pub fn write_json_file(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder, "cannot be made"))?;
    }
    let text = json_text(value).map_err(|error| at(path, "cannot be written")(error.into()))?;
    fs::write(path, text).map_err(at(path, "cannot be written"))
}

/// A JSON file's text.
pub(super) fn json_text(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

/// Reads a JSON file.
///
/// # Errors
/// If it cannot be read or is something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = files::read(path, JSON_BYTES).map_err(at(path, "cannot be read"))?;
    serde_json::from_slice(&bytes).map_err(|error| at(path, "cannot be understood")(error.into()))
}
