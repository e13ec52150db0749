//! What another person needs to make the same run again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::manifest::Manifest;
use crate::report::Fact;

/// What another person needs to make the same run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reproduce {
    /// The command line as it was given, secrets masked; empty if it is not known.
    #[serde(default)]
    pub command: Vec<String>,
    /// The config as resolved, with every default, secrets masked.
    pub config: Value,
    /// SHA-256 of prompts, plugins and files of facts, by what they are of.
    pub hashes: Vec<Fact>,
}

pub(crate) fn from_manifest(manifest: &Manifest) -> Reproduce {
    let fact = |name: String, text: &str| Fact {
        name,
        text: Some(text.to_owned()),
    };
    let prompts = manifest.workload_sha256.iter();
    let mut hashes: Vec<Fact> = prompts
        .map(|hash| fact("prompts of the first repeat".to_owned(), hash))
        .collect();
    for backend in &manifest.backends {
        let name = format!(
            "plugin {} {} (API {})",
            backend.plugin, backend.plugin_version, backend.plugin_api
        );
        if hashes.iter().all(|known| known.name != name) {
            hashes.push(fact(name, &backend.plugin_sha256));
        }
    }
    let files = manifest.files.iter();
    hashes.extend(files.map(|(name, file)| fact(name.clone(), &file.sha256)));
    Reproduce {
        command: manifest.command.clone(),
        config: manifest.config.clone(),
        hashes,
    }
}
