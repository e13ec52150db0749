//! Programs by name: the one place that searches a `PATH`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::folders::own_folder;

/// What a search for a program found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundProgram {
    /// Nothing of that name.
    Nowhere,
    /// A file that this user may not run.
    NotExecutable(PathBuf),
    /// The program.
    At(PathBuf),
}

/// Looks for `program`, a path or a name, in the folders of `path`, a value of the
/// variable `PATH`.
pub(crate) fn find_program(program: &str, path: Option<&OsStr>) -> FoundProgram {
    if program.contains('/') {
        return look_at(Path::new(program));
    }
    let mut found = FoundProgram::Nowhere;
    for folder in std::env::split_paths(path.unwrap_or_default()) {
        match look_at(&folder.join(program)) {
            at @ FoundProgram::At(_) => return at,
            // As a shell does: a later folder may have one that can be run.
            not @ FoundProgram::NotExecutable(_) if found == FoundProgram::Nowhere => found = not,
            _ => {}
        }
    }
    found
}

/// Whether a folder of `path` holds `program`, and it may be run.
pub(crate) fn is_program(program: &str, path: Option<&OsStr>) -> bool {
    matches!(find_program(program, path), FoundProgram::At(_))
}

/// InferBench itself, to be started again: this program, or the one beside it.
#[must_use]
pub fn inferbench() -> Option<PathBuf> {
    const NAME: &str = "inferbench";
    let own = std::env::current_exe().ok()?;
    // The name says so even after the file was replaced by a newer one.
    let name = own.file_name()?.to_string_lossy().into_owned();
    if name == NAME || name == format!("{NAME} (deleted)") {
        return Some(PathBuf::from("/proc/self/exe"));
    }
    beside_own(NAME)
}

/// The file beside this program that a bare name means, if there is one. Cargo puts
/// tests and benches into a folder below the programs.
pub(crate) fn beside_own(program: &str) -> Option<PathBuf> {
    let folder = own_folder()?;
    let above = folder.ends_with("deps").then(|| folder.parent()).flatten();
    let folders = [Some(folder.as_path()), above];
    let mut files = folders.into_iter().flatten().map(|f| f.join(program));
    files.find(|path| !program.contains('/') && path.is_file())
}

fn look_at(file: &Path) -> FoundProgram {
    match file.is_file() {
        false => FoundProgram::Nowhere,
        true if access(file, AccessFlags::X_OK).is_ok() => FoundProgram::At(file.to_owned()),
        true => FoundProgram::NotExecutable(file.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_a_file_of_the_path_that_may_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uv");
        std::fs::write(&file, "").unwrap();
        let path = Some(folder.path().as_os_str());
        let own_path = std::env::var_os("PATH");
        assert_eq!(find_program("no-such-program", path), FoundProgram::Nowhere);
        assert!(is_program("sh", own_path.as_deref()));
        assert!(!is_program("uv", None));
        assert_eq!(find_program("uv", path), FoundProgram::NotExecutable(file));
    }
}
