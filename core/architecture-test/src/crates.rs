//! Holds the crates' dependencies to the table.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::table::Crate;

/// One crate of the workspace, as cargo sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Folder from the repository's root, with `/` between its parts.
    pub folder: String,
    /// Folders of the workspace crates that it is built with.
    pub uses: Vec<String>,
    /// Folders of the workspace crates that only its tests and benches are built with.
    pub tests_use: Vec<String>,
    /// Root files of its libraries and programs, from its own folder.
    pub roots: Vec<String>,
}

/// What `cargo metadata` says of the workspace.
///
/// # Errors
/// One line: what cargo answered.
pub fn read(repository: &Path) -> Result<Vec<Package>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(repository)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("cargo metadata: {error}: {said}")
    })?;
    let root = Path::new(text(&document["workspace_root"]));
    let packages = document["packages"].as_array();
    let read = |package: &Value| read_package(package, root);
    Ok(packages.into_iter().flatten().map(read).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn from(base: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(base).unwrap_or(path);
    inside.to_string_lossy().replace('\\', "/")
}

fn read_package(package: &Value, root: &Path) -> Package {
    let manifest = Path::new(text(&package["manifest_path"]));
    let folder = manifest.parent().unwrap_or(root);
    let mut read = Package {
        folder: from(root, folder),
        uses: Vec::new(),
        tests_use: Vec::new(),
        roots: Vec::new(),
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let Some(path) = dependency["path"].as_str() else {
            continue;
        };
        let list = match dependency["kind"].as_str() {
            Some("dev") => &mut read.tests_use,
            _ => &mut read.uses,
        };
        list.push(from(root, Path::new(path)));
    }
    for target in package["targets"].as_array().into_iter().flatten() {
        let kinds = target["kind"].as_array().into_iter().flatten();
        let is_product =
            |kind: &Value| ["lib", "rlib", "cdylib", "proc-macro", "bin"].contains(&text(kind));
        if kinds.into_iter().any(is_product) {
            read.roots
                .push(from(folder, Path::new(text(&target["src_path"]))));
        }
    }
    read
}

/// Every dependency that the table does not allow, every crate that it does
/// not list, and every one that it lists and that is not there.
#[must_use]
pub fn faults(packages: &[Package], table: &[Crate]) -> Vec<String> {
    let mut lines = Vec::new();
    for package in packages {
        let folder = package.folder.as_str();
        let Some(entry) = table.iter().find(|entry| entry.covers(folder)) else {
            lines.push(format!("{folder} is a crate that the table does not list"));
            continue;
        };
        for used in &package.uses {
            if !entry.may_use.contains(&used.as_str()) {
                lines.push(format!("{folder} depends on {used}, which it may not use"));
            }
        }
        for used in &package.tests_use {
            let used = used.as_str();
            if !entry.may_use.contains(&used) && !entry.tests_may_use.contains(&used) {
                lines.push(format!(
                    "tests of {folder} depend on {used}, which they may not use"
                ));
            }
        }
    }
    for entry in table {
        if !packages.iter().any(|package| entry.covers(&package.folder)) {
            lines.push(format!("no crate `{}`", entry.folder));
        }
    }
    lines
}
