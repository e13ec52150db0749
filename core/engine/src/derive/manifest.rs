//! The reading of `run.json`, of every version that is understood.

use std::path::Path;

use inferbench_model::config::{Config, beyond_limits};
use inferbench_model::facts::manifest::{Manifest, OLDEST_RUN_SCHEMA_VERSION, RUN_SCHEMA_VERSION};
use serde::Deserialize;

use super::error::{DeriveError, no_run};
use crate::store::{self, RunFolder, StoreError};

/// What a run was, and its config.
///
/// # Errors
/// If it cannot be read, is of another version, or its config is none.
pub(crate) fn manifest_of(folder: &Path) -> Result<(Manifest, Config), DeriveError> {
    let run = RunFolder::open(folder);
    let file = run.file("run.json");
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(no_run(folder)),
        // It may be there, and be somebody else's.
        Err(source) => return Err(StoreError::new(&file, "cannot be read", source).into()),
    }
    let folder = folder.display().to_string();
    let Version { schema_version } = store::read_json(&run.file("run.json"))?;
    if !(OLDEST_RUN_SCHEMA_VERSION..=RUN_SCHEMA_VERSION).contains(&schema_version) {
        return Err(DeriveError::Version {
            folder,
            found: schema_version,
        });
    }
    let mut manifest: Manifest = store::read_json(&run.file("run.json"))?;
    let config: Result<Config, _> = serde_json::from_value(manifest.config.clone());
    let config = config
        .map_err(|error| error.to_string())
        .and_then(|config| match beyond_limits(&config).first() {
            Some(error) => Err(error.to_string()),
            None => Ok(config),
        });
    let config = config.map_err(|reason| DeriveError::Config { folder, reason })?;
    if schema_version == OLDEST_RUN_SCHEMA_VERSION {
        manifest.plan.index_levels(&config.load.levels());
    }
    Ok((manifest, config))
}

/// The one field that every version of `run.json` has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}
