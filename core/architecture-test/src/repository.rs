//! The repository as it is: its crates, their files and their imports.

use std::path::{Path, PathBuf};

use crate::crates::{self, Package};
use crate::imports::{self, Import};
use crate::map::CRATES;
use crate::modules;
use crate::sources::{self, Sources};
use crate::table::Crate;

/// One crate of the workspace beside its entry in the table.
pub struct Checked {
    /// Folder from the repository's root.
    pub folder: String,
    /// Its entry.
    pub entry: &'static Crate,
    /// Its files.
    pub sources: Sources,
    /// Its imports, of all its libraries and programs.
    pub imports: Vec<Import>,
}

/// The repository's root folder.
#[must_use]
pub fn root() -> PathBuf {
    // At run time: a target folder may serve several copies of the repository.
    let own = std::env::var_os("CARGO_MANIFEST_DIR");
    let own = own.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).join("../..")
}

/// Reads every crate that the table lists.
///
/// # Errors
/// One line: what cargo or the file system answered, or a file that is no Rust.
pub fn read() -> Result<Vec<Checked>, String> {
    let packages = crates::read(&root())?;
    let listed = packages.iter().filter_map(|package| {
        let entry = CRATES.iter().find(|entry| entry.covers(&package.folder));
        entry.map(|entry| read_crate(package, entry))
    });
    listed.collect()
}

fn read_crate(package: &Package, entry: &'static Crate) -> Result<Checked, String> {
    let folder = &package.folder;
    let place = |error: String| format!("{folder}/src: {error}");
    let sources = sources::read(&root().join(folder).join("src"))
        .map_err(|error| place(error.to_string()))?;
    let mut imports = Vec::new();
    for file in package
        .roots
        .iter()
        .filter_map(|file| file.strip_prefix("src/"))
    {
        let modules = modules::load(&sources, file).map_err(place)?;
        imports.extend(imports::find(&modules));
    }
    Ok(Checked {
        folder: folder.clone(),
        entry,
        sources,
        imports,
    })
}
