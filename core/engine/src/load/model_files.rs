//! Where a model is on this machine: its folder, its GGUF file, its config.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use inferbench_model::kv_cache::{GGUF_MAGIC, Gguf};
use serde_json::Value;

use crate::os::folders::hub_cache;

/// Where a model is on this machine, as far as that can be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// The model's folder.
    pub folder: Option<PathBuf>,
    /// The model's one file, if it is a GGUF file.
    pub gguf: Option<PathBuf>,
}

impl ModelFiles {
    /// Looks for the model: a local folder, a GGUF file, or a snapshot in the hub's
    /// cache.
    #[must_use]
    pub fn find(model_id: &str) -> Self {
        let local = PathBuf::from(model_id);
        if local.is_dir() {
            return Self {
                folder: Some(local),
                gguf: None,
            };
        }
        if is_gguf(&local) {
            return Self {
                folder: None,
                gguf: Some(local),
            };
        }
        Self {
            folder: hub_snapshot(model_id),
            gguf: None,
        }
    }

    /// The model's `config.json`, or what its GGUF file says in its place, if it can
    /// be read.
    #[must_use]
    pub fn config(&self) -> Option<Value> {
        if let Some(file) = &self.gguf {
            return Some(read_gguf(file).ok()?.config());
        }
        let text = std::fs::read(self.folder.as_ref()?.join("config.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    path.is_file() && read.is_ok() && magic == GGUF_MAGIC
}

/// The metadata of a GGUF file.
///
/// # Errors
/// If it cannot be read, or is cut short.
pub(crate) fn read_gguf(file: &Path) -> io::Result<Gguf> {
    Gguf::read(BufReader::new(File::open(file)?))
}

fn hub_snapshot(model_id: &str) -> Option<PathBuf> {
    let cache = hub_cache()?;
    let repo = cache.join(format!("models--{}", model_id.replace('/', "--")));
    let main = std::fs::read_to_string(repo.join("refs/main")).ok()?;
    let snapshot = repo.join("snapshots").join(main.trim());
    snapshot.is_dir().then_some(snapshot)
}
