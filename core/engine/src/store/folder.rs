//! The folder of one run: made once, written by one run at a time, valid at any
//! moment.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::error::{StoreError, at};
use super::guard::{Guard, Watch};
use super::json::json_text;
use super::seal;
use crate::os::private;

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 256 * 1024;

/// The run folder right below `folder` that was written last; `None` if there is
/// none.
pub(crate) fn newest_run(folder: &Path) -> Option<PathBuf> {
    let runs = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| {
        let path = entry.path();
        // It is kept up to date while the run goes on, and never after.
        let written = path.join("run.json").metadata().ok()?.modified().ok()?;
        Some((written, path))
    });
    runs.max().map(|(_, path)| path)
}

/// The folder of one run, which its owner alone may read.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Kept from other runs as long as this one writes to it.
    _lock: Option<Arc<File>>,
    guard: Guard,
}

impl RunFolder {
    /// Makes `<output>/<name>-<stamp>`; a second run within the same second
    /// gets a number behind it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(output: &Path, name: &str, stamp: &str) -> Result<Self, StoreError> {
        let cannot = match output.is_file() {
            true => "is a file, must be a folder",
            false => "cannot be made",
        };
        fs::create_dir_all(output).map_err(at(output, cannot))?;
        let mut path = output.join(format!("{name}-{stamp}"));
        for n in 2.. {
            match private::make_folder(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = output.join(format!("{name}-{stamp}-{n}"));
                }
                Err(error) => return Err(at(&path, "cannot be made")(error)),
            }
        }
        Self::open(&path).locked()
    }

    /// A folder that exists, to be written to by this run alone.
    ///
    /// # Errors
    /// If it is not there, or another run writes to it.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        Self::open(path).locked()
    }

    fn locked(self) -> Result<Self, StoreError> {
        let path = &self.path;
        let folder = File::open(path).map_err(at(path, "cannot be opened"))?;
        match folder.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                let cause = io::Error::from(io::ErrorKind::ResourceBusy);
                Err(at(path, "is being written by another run")(cause))
            }
            // A file system without locks must not stand in the way.
            _ => Ok(Self {
                _lock: Some(Arc::new(folder)),
                ..self
            }),
        }
    }

    /// A folder that exists.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _lock: None,
            guard: Guard::default(),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Folder of one start of a backend, made if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn stage_folder(&self, backend: &str, block: u32) -> Result<PathBuf, StoreError> {
        let folder = self.path.join("logs").join(backend).join(block.to_string());
        private::make_folders(&folder).map_err(at(&folder, "cannot be made"))?;
        let within = folder.ancestors().take(3);
        within.for_each(|folder| self.guard.keep(folder));
        Ok(folder)
    }

    /// A file in it that is written on from now on, to stay where it is.
    pub(crate) fn keep(&self, path: &Path) {
        self.guard.keep(path);
    }

    /// Whether what was written to it is there as it was written.
    ///
    /// # Errors
    /// The first thing that is not.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.guard.check()
    }

    /// Sees from now on that what was written to it stays as it is. Cancels `failed` when
    /// it does not.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub(crate) fn watch(&self, failed: &CancellationToken) -> Result<Watch, StoreError> {
        self.guard.keep(&self.path);
        let watch = self.guard.watch(failed);
        watch.map_err(at(&self.path, "cannot be watched"))
    }

    /// Writes a JSON file as a whole: at no moment is it half there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let text = json_text(value)
            .map_err(|error| at(&self.file(name), "cannot be written")(error.into()))?;
        self.write(name, text.as_bytes())
    }

    /// Writes a JSON file with the hash of itself in it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write_sealed(&self, name: &str, document: &mut Value) -> Result<(), StoreError> {
        seal::seal(document)
            .map_err(|error| at(&self.file(name), "cannot be written")(error.into()))?;
        self.write_json(name, document)
    }

    /// Writes a file as a whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_with(name, |file| file.write_all(bytes))
    }

    /// Writes a file as a whole through `fill`, which need not hold it whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_with(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.file(name);
        // Another process may write the same file: each then replaces it by a whole one.
        let aside = self.file(&format!("{name}.{}.part", std::process::id()));
        let write = || {
            let mut file = BufWriter::with_capacity(WRITE_BYTES, private::create(&aside)?);
            fill(&mut file)?;
            file.into_inner()?.sync_data()
        };
        write().map_err(at(&aside, "cannot be written"))?;
        self.guard.keep_whole(&path, || {
            fs::rename(&aside, &path).map_err(at(&path, "cannot be replaced"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_in_one_second_get_two_folders() {
        let output = tempfile::tempdir().unwrap();
        let one = RunFolder::create(output.path(), "n", "s").unwrap();
        let two = RunFolder::create(output.path(), "n", "s").unwrap();
        assert_ne!(one.path(), two.path());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, "n", "s").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("file: is a file, must be a folder")
        );
    }

    #[test]
    fn a_folder_belongs_to_one_run_at_a_time() {
        let output = tempfile::tempdir().unwrap();
        let run = RunFolder::create(output.path(), "n", "s").unwrap();
        let error = RunFolder::take(run.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is being written by another run")
        );
        let path = run.path().to_owned();
        drop(run);
        RunFolder::take(&path).unwrap();
    }
}
