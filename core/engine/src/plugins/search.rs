//! Where plugin libraries are looked for, and the files that may be some.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::os::folders::{data_folder, installed_plugins, own_folder};

/// Environment variable with further plugin folders, separated by `:`.
pub const PATH_VARIABLE: &str = "INFERBENCH_PLUGIN_PATH";

/// Where plugins are looked for, first found wins.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    /// Single files.
    pub files: Vec<PathBuf>,
    /// Folders given on the command line.
    pub dirs: Vec<PathBuf>,
    /// Take plugins from folders that others may write to.
    pub trust_dirs: bool,
}

/// Library files in the order of the search, each once, with its origin.
pub(super) fn candidates(search: &SearchPath) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |file: PathBuf, origin: &str| {
        // A bare name would be looked for in the loader's own folders.
        let file = std::path::absolute(&file).unwrap_or(file);
        let canonical = file.canonicalize().unwrap_or_else(|_| file.clone());
        if seen.insert(canonical) {
            found.push((file, origin.to_owned()));
        }
    };
    for file in &search.files {
        add(file.clone(), "--plugin");
    }
    for (folder, origin) in folders(search) {
        for file in libraries_in(&folder) {
            add(file, &origin);
        }
    }
    found
}

/// Folders that are searched, each with its origin in words.
pub(crate) fn folders(search: &SearchPath) -> Vec<(PathBuf, String)> {
    let mut folders: Vec<(PathBuf, String)> = Vec::new();
    for dir in &search.dirs {
        folders.push((dir.clone(), "--plugin-dir".to_owned()));
    }
    if let Some(paths) = std::env::var_os(PATH_VARIABLE) {
        for dir in std::env::split_paths(&paths).filter(|dir| !dir.as_os_str().is_empty()) {
            folders.push((dir, PATH_VARIABLE.to_owned()));
        }
    }
    if let Some(own) = own_folder() {
        let [beside, lib] = installed_plugins(&own);
        folders.push((beside, "plugins/ beside the program".to_owned()));
        folders.push((own, "beside the program".to_owned()));
        folders.push((lib, "lib/inferbench/plugins".to_owned()));
    }
    if let Some(data) = data_folder() {
        folders.push((
            data.join("inferbench/plugins"),
            "user data folder".to_owned(),
        ));
    }
    folders
}

/// Files named like a plugin, `libinferbench_*.so` or `inferbench_*.so`, sorted;
/// in a folder named `plugins` every `.so`.
pub(crate) fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let any_name = folder.file_name().is_some_and(|name| name == "plugins");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            any_name || name.trim_start_matches("lib").starts_with("inferbench_")
        })
        .collect();
    files.sort();
    files
}
