//! The places of a run whose names are written down or handed on as text: its folder, the
//! journal, this program. One with another name would stop it in its middle.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::os::folders::own_folder;
use crate::server::supervise::Journal;

/// A place whose name is not text.
#[derive(Debug, Error)]
#[error("{what} {place:?} is not UTF-8, as names in the files of a run must be")]
pub struct NotText {
    /// What it is.
    what: &'static str,
    /// Where.
    place: PathBuf,
}

/// Refuses places that are not text; `folder`: where the run folder is or will be.
pub(super) fn must_be_text(folder: &Path) -> Result<(), NotText> {
    // One that has no absolute path is reported by whoever makes it.
    let folder = std::path::absolute(folder).ok();
    let journal = Journal::of_user().map(|journal| journal.folder().to_owned());
    let places = [
        ("the folder", folder),
        ("the journal's folder", journal),
        ("this program's folder", own_folder()),
    ];
    for (what, place) in places {
        if let Some(place) = place.filter(|place| !is_text(place.as_os_str())) {
            return Err(NotText { what, place });
        }
    }
    Ok(())
}

fn is_text(name: &OsStr) -> bool {
    std::str::from_utf8(name.as_bytes()).is_ok()
}
