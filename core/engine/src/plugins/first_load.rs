//! The first load of a library, in a process of its own: what its constructors do to
//! their process is seen there, and harms nothing. A file that came through is known from
//! then on, so that a start does not wait for it again.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inferbench_model::facts::exchange::hex;
use nix::unistd::geteuid;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::check;
use super::check::PluginCheckError;
use crate::os::folders::cache_folder;
use crate::os::{files, private, programs};

/// Longest time that a library may take to load.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest note that is read.
const NOTE_BYTES: u64 = 64 << 10;

/// Why a library is not loaded into this process.
#[derive(Debug, Error)]
pub enum FirstLoadError {
    /// It did something to the process that loaded it first.
    #[error("was loaded in a process of its own first: {did}")]
    Ended {
        /// What.
        did: String,
    },
    /// There was no such process.
    #[error("could not be tried in a process of its own")]
    NotTried(#[from] PluginCheckError),
}

/// Loads `file` in a process of its own, unless it came through that before as it now is.
///
/// # Errors
/// See [`FirstLoadError`].
pub(super) fn check(file: &Path) -> Result<(), FirstLoadError> {
    // A test or an example of another crate has no program that could try it.
    let Some(program) = programs::inferbench() else {
        return Ok(());
    };
    let known = Known::find(file, &program);
    if known.as_ref().is_some_and(Known::is_there) {
        return Ok(());
    }
    if let Some(did) = check::end_of_first_load(&program, file, LIMIT)? {
        return Err(FirstLoadError::Ended { did });
    }
    if let Some(known) = known {
        // Without it, it is tried again.
        drop(known.write(""));
    }
    Ok(())
}

/// Names of the backends that `file` carries, if it came through as it now is and was
/// loaded since. To be taken as a hint: whoever finds none must look into the file.
pub(super) fn backends(file: &Path) -> Option<Vec<String>> {
    let known = Known::find(file, &programs::inferbench()?)?;
    let noted = known.is_there().then(|| known.read())?;
    let backends: Vec<String> = noted?.lines().map(str::to_owned).collect();
    (!backends.is_empty()).then_some(backends)
}

/// Notes the backends of a file that was loaded, where the note lacks them.
pub(super) fn note_backends<'a>(file: &Path, backends: impl Iterator<Item = &'a str>) {
    let known = programs::inferbench().and_then(|program| Known::find(file, &program));
    let text: String = backends.flat_map(|name| [name, "\n"]).collect();
    if let Some(known) = known
        && known.is_there()
        && known.read().is_none_or(|noted| noted != text)
    {
        // Without it, the file is loaded where that is not needed.
        drop(known.write(&text));
    }
}

/// The note that a file came through, for this very program. It holds the names of the
/// file's backends, once that was loaded, a line each.
struct Known {
    folder: PathBuf,
    name: String,
}

impl Known {
    fn find(file: &Path, program: &Path) -> Option<Self> {
        let folder = cache_folder()?.join("inferbench/plugins");
        let mut hash = Sha256::new();
        for path in [file, program] {
            let facts = fs::metadata(path).ok()?;
            hash.update(path.canonicalize().ok()?.as_os_str().as_encoded_bytes());
            for number in identity(&facts) {
                hash.update(number.to_le_bytes());
            }
        }
        Some(Self {
            folder,
            name: hex(&hash.finalize()),
        })
    }

    /// Whether this user noted it, in a folder that nobody else may write to.
    fn is_there(&self) -> bool {
        let is_own = |facts: Metadata| {
            facts.uid() == geteuid().as_raw() && facts.mode() & 0o022 == 0 && !facts.is_symlink()
        };
        fs::symlink_metadata(&self.folder).is_ok_and(is_own)
            && fs::symlink_metadata(self.folder.join(&self.name)).is_ok_and(is_own)
    }

    fn read(&self) -> Option<String> {
        files::read_text(&self.folder.join(&self.name), NOTE_BYTES).ok()
    }

    fn write(&self, text: &str) -> io::Result<()> {
        private::make_folders(&self.folder)?;
        private::write(&self.folder.join(&self.name), text)
    }
}

/// What no change of a file leaves as it is: the time of its last change of any kind is
/// the kernel's alone to set.
fn identity(facts: &Metadata) -> [u64; 7] {
    [
        facts.dev(),
        facts.ino(),
        facts.size(),
        facts.mtime().cast_unsigned(),
        facts.mtime_nsec().cast_unsigned(),
        facts.ctime().cast_unsigned(),
        facts.ctime_nsec().cast_unsigned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_is_not_known_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        fs::write(&file, "one").unwrap();
        let program = std::env::current_exe().unwrap();
        let name = |file: &Path| Known::find(file, &program).unwrap().name;
        let was = name(&file);
        assert_eq!(name(&file), was);
        let facts = fs::metadata(&file).unwrap();
        // Same size, and the time of its text set back to what it was.
        fs::write(&file, "two").unwrap();
        let opened = fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(facts.modified().unwrap()).unwrap();
        assert_ne!(name(&file), was);
    }

    #[test]
    fn only_a_note_of_this_user_in_a_folder_of_its_own_counts() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let known = Known {
            folder: folder.path().join("a/b"),
            name: "n".to_owned(),
        };
        assert!(!known.is_there());
        known.write("").unwrap();
        assert!(known.is_there());
        fs::set_permissions(&known.folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!known.is_there());
    }
}
