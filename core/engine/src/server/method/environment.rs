//! What a launch method depends on: this machine, and this start.

use std::path::{Path, PathBuf};

use inferbench_model::config::{BackendConfig, ModelConfig};

use crate::os::folders::hub_cache;
use crate::os::programs::is_program;

/// Variables of InferBench's own environment that a container gets too: they say
/// where models come from, and with which right.
const PASSED_ON: [&str; 4] = [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
];

/// Where and with what a server is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchEnvironment {
    /// Name of its container.
    pub name: String,
    /// Files and folders that it reads: its own folder, the model.
    pub read_only: Vec<PathBuf>,
    /// The hub's cache; absent if it is not there and not needed.
    pub hub_cache: Option<PathBuf>,
    /// There are NVIDIA devices.
    pub has_nvidia_gpus: bool,
    /// Names of variables that it gets from InferBench's own environment.
    pub passed_on: Vec<String>,
    /// `uv` is on the PATH.
    pub has_uv: bool,
    /// The container's runtime is on the PATH.
    pub has_runtime: bool,
    /// The plugin has an option `package`.
    pub has_package_option: bool,
}

impl LaunchEnvironment {
    /// What is so on this machine for `backend`, started in `folder`.
    #[must_use]
    pub fn detect(
        backend: &BackendConfig,
        model: &ModelConfig,
        name: String,
        folder: &Path,
    ) -> Self {
        if let Some(container) = &backend.container {
            return Self {
                name,
                read_only: read_only(model, folder),
                hub_cache: hub_cache().filter(|c| c.is_dir() || local_model(&model.id).is_none()),
                has_nvidia_gpus: Path::new("/dev/nvidiactl").exists(),
                passed_on: passed_on(),
                has_runtime: is_program(
                    container.runtime.program(),
                    std::env::var_os("PATH").as_deref(),
                ),
                ..Self::default()
            };
        }
        let path = backend.env.get("PATH").map(|path| path.clone().into());
        let path = path.or_else(|| std::env::var_os("PATH"));
        Self {
            name,
            has_uv: backend.version.is_some() && is_program("uv", path.as_deref()),
            ..Self::default()
        }
    }
}

/// Name of the container of a start: of the run, the backend and the block, in
/// characters that a name may have.
#[must_use]
pub fn container_name(run: &str, label: &str, block: u32) -> String {
    let name = format!("inferbench-{run}-{label}-{block}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}

/// The path of a local model, a folder or a file, with nothing left to be resolved;
/// `None` if `id` is neither.
pub(crate) fn local_model(id: &str) -> Option<PathBuf> {
    Path::new(id).canonicalize().ok()
}

/// The folder of the plan's files, the model's with those that its links lead
/// to (a hub's snapshot is all links), and the tokenizer.
fn read_only(model: &ModelConfig, folder: &Path) -> Vec<PathBuf> {
    let mut paths = vec![folder.to_owned()];
    let tokenizer = model.tokenizer.as_deref().map(Path::new);
    let tokenizer = tokenizer.and_then(|path| path.canonicalize().ok());
    let mut add = |path: PathBuf| {
        if !paths.iter().any(|known| path.starts_with(known)) {
            paths.push(path);
        }
    };
    if let Some(model) = local_model(&model.id) {
        let entries = std::fs::read_dir(&model).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| entry.path().canonicalize().ok());
        let parents = files.filter_map(|file| Some(file.parent()?.to_owned()));
        let parents: Vec<PathBuf> = parents.collect();
        add(model);
        parents.into_iter().for_each(&mut add);
    }
    tokenizer.into_iter().for_each(&mut add);
    paths
}

fn passed_on() -> Vec<String> {
    let set = |name: &&str| std::env::var_os(name).is_some();
    PASSED_ON
        .into_iter()
        .filter(set)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_s_name_has_only_what_a_name_may_have() {
        assert_eq!(
            container_name("chat é-20251125", "vllm fp8+", 1),
            "inferbench-chat---20251125-vllm-fp8--1"
        );
    }

    #[test]
    fn a_snapshot_of_links_is_mounted_with_the_files_that_they_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (blobs, snapshot) = (root.join("blobs"), root.join("snapshots/1"));
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::write(blobs.join("x"), "{}").unwrap();
        std::os::unix::fs::symlink("../../blobs/x", snapshot.join("config.json")).unwrap();
        let model = ModelConfig {
            id: snapshot.to_string_lossy().into_owned(),
            dtype: None,
            max_model_len: None,
            tokenizer: None,
        };
        let mounted = read_only(&model, Path::new("/run"));
        assert_eq!(mounted, [PathBuf::from("/run"), snapshot, blobs.clone()]);
        let file = ModelConfig {
            id: blobs.join("x").to_string_lossy().into_owned(),
            ..model
        };
        let mounted = read_only(&file, Path::new("/run"));
        assert_eq!(mounted, [PathBuf::from("/run"), blobs.join("x")]);
    }
}
