//! Sees that what a run has written to its folder stays there, as it was written: a file
//! that somebody deletes, replaces or takes the rights of takes what comes next without a
//! word, and nobody will ever read it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::identity::Identity;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const GONE: &str = "was deleted or moved while the run wrote to it";
const REPLACED: &str = "was replaced or changed by another program while the run wrote to it";
const UNWRITABLE: &str = "can no longer be written";

/// The files and folders of one run folder that nobody else may touch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    known: Arc<Mutex<BTreeMap<PathBuf, Known>>>,
}

/// What one of them was when it was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    file: Identity,
    /// Size and time of the last change of what is written as a whole.
    whole: Option<(u64, i64, i64)>,
}

impl Known {
    fn read(facts: &Metadata, is_whole: bool) -> Self {
        let changed = (facts.mtime(), facts.mtime_nsec());
        Self {
            file: Identity::from(facts),
            whole: is_whole.then_some((facts.size(), changed.0, changed.1)),
        }
    }
}

impl Guard {
    fn known(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder, or a file that is written on: it is to stay where it is from now on. One
    /// that is not there is not known.
    pub(crate) fn keep(&self, path: &Path) {
        if let Ok(facts) = fs::metadata(path) {
            let known = Known::read(&facts, false);
            self.known().entry(path.to_owned()).or_insert(known);
        }
    }

    /// Writes a file as a whole through `write`, and keeps it as it then is.
    pub(super) fn keep_whole<T>(
        &self,
        path: &Path,
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Nobody may look between the two.
        let mut all = self.known();
        let written = write()?;
        if let Ok(facts) = fs::metadata(path) {
            all.insert(path.to_owned(), Known::read(&facts, true));
        }
        Ok(written)
    }

    /// The first that is not what it was, folders before what is in them.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.known()
            .iter()
            .try_for_each(|(path, known)| check(path, known))
    }

    /// Looks again and again, on a thread of its own. What is not as it was cancels
    /// `failed`.
    pub(crate) fn watch(&self, failed: &CancellationToken) -> io::Result<Watch> {
        let (stop, stopped) = channel::<()>();
        let (guard, failed) = (self.clone(), failed.clone());
        let thread = std::thread::Builder::new()
            .name("run folder".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                    if let Err(error) = guard.check() {
                        failed.cancel();
                        return Err(error);
                    }
                }
                guard.check()
            })?;
        Ok(Watch { stop, thread })
    }
}

fn check(path: &Path, known: &Known) -> Result<(), StoreError> {
    let wrong = |action, source| Err(StoreError::new(path, action, source));
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) => return wrong(GONE, error),
    };
    if Known::read(&facts, known.whole.is_some()) != *known {
        let cause = io::Error::other("it is not what this run wrote");
        return wrong(REPLACED, cause);
    }
    match access(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        Ok(()) => Ok(()),
        Err(error) => wrong(UNWRITABLE, error.into()),
    }
}

/// A guard that looks while the run goes on.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Watch {
    /// Looks for the last time.
    ///
    /// # Errors
    /// The first thing that was not as it was.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        drop(self.stop);
        // It does not panic; if it did, what it would have found is not known.
        self.thread.join().unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(guard: &Guard) -> String {
        guard.check().unwrap_err().to_string()
    }

    #[test]
    fn a_file_written_on_may_grow_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("stdout.log");
        let guard = Guard::default();
        fs::write(&log, "1").unwrap();
        guard.keep(&log);
        fs::write(&log, "12").unwrap();
        guard.check().unwrap();
        fs::rename(&log, folder.path().join("other")).unwrap();
        assert!(text(&guard).ends_with(&format!("stdout.log: {GONE}")));
        fs::write(&log, "12").unwrap();
        assert!(text(&guard).ends_with(&format!("stdout.log: {REPLACED}")));
    }

    #[test]
    fn a_file_written_as_a_whole_is_no_one_elses_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let guard = Guard::default();
        for text in ["{}", "{\"a\": 1}"] {
            guard
                .keep_whole(&file, || {
                    fs::write(&file, text).unwrap();
                    Ok(())
                })
                .unwrap();
            guard.check().unwrap();
        }
        fs::write(&file, "{}").unwrap();
        assert!(text(&guard).ends_with(&format!("run.json: {REPLACED}")));
    }

    #[test]
    fn a_folder_that_is_gone_is_named_before_what_was_in_it() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("run");
        let guard = Guard::default();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.json"), "").unwrap();
        guard.keep(&folder.join("a.json"));
        guard.keep(&folder);
        fs::rename(&folder, above.path().join("elsewhere")).unwrap();
        assert!(text(&guard).ends_with(&format!("run: {GONE}")));
    }

    #[test]
    fn what_may_no_longer_be_written_is_found_before_it_is_written() {
        // Root may write anywhere.
        if nix::unistd::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let guard = Guard::default();
        guard.keep(folder.path());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        assert!(text(&guard).ends_with(UNWRITABLE));
    }

    #[test]
    fn a_look_that_finds_something_ends_the_run_and_says_what() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "").unwrap();
        let (guard, failed) = (Guard::default(), CancellationToken::new());
        guard.keep(&file);
        let watch = guard.watch(&failed).unwrap();
        assert!(!failed.is_cancelled());
        fs::remove_file(&file).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !failed.is_cancelled() {
            assert!(std::time::Instant::now() < until);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(watch.end().unwrap_err().to_string().ends_with(GONE));
    }
}
