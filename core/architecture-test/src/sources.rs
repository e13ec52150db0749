//! The Rust files of a crate, as text.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Path from the crate's `src` folder, with `/` between its parts, to the text.
pub type Sources = BTreeMap<String, String>;

/// Every `.rs` file under `folder`.
///
/// # Errors
/// What the file system answers.
pub fn read(folder: &Path) -> io::Result<Sources> {
    let mut sources = Sources::new();
    add_folder(folder, "", &mut sources)?;
    Ok(sources)
}

fn add_folder(folder: &Path, prefix: &str, sources: &mut Sources) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.is_dir() {
            add_folder(&path, &format!("{prefix}{name}/"), sources)?;
        } else if name.ends_with(".rs") {
            sources.insert(format!("{prefix}{name}"), std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
