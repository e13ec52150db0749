//! The folder where shards meet: its files, and a limit on how long its file system may
//! take, which may be another machine's.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::SLEEP_AT_MOST;
use crate::load::gate::NotStarted;
use crate::os::files;

/// What a file that a shard leaves is read up to; each has a few lines.
const MOST_BYTES: u64 = 64 * 1024;
/// Folder of what the first shard publishes, and of those that go: all look there, so that
/// it has few files.
const SAID: &str = "said";
/// Longest that the file system may take for one thing, however long others are waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN_AT_LEAST: Duration = Duration::from_secs(2);
/// The same for saying good-bye, which nobody waits for.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A folder that all shards can read and write.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    answer_within: Duration,
}

impl Folder {
    /// `limit`: longest wait for the other shards.
    pub(super) fn new(path: &Path, limit: Duration) -> Self {
        Self {
            path: path.to_owned(),
            answer_within: limit.clamp(ANSWER_WITHIN_AT_LEAST, ANSWER_WITHIN),
        }
    }

    /// The same for what nobody waits for.
    pub(super) fn in_haste(&self) -> Self {
        Self {
            answer_within: LEAVE_WITHIN,
            ..self.clone()
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the first shard publishes, and where those that go say so.
    pub(super) fn said(&self, name: &str) -> PathBuf {
        self.path.join(SAID).join(name)
    }

    /// Makes the folder, if it is not there.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn make(&self, cancel: &CancellationToken) -> Result<(), NotStarted> {
        self.asked(&self.path.join(SAID), cancel, |path| {
            fs::create_dir_all(path)
        })
    }

    /// Puts a new file there; gives `false` if there is one already.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn put_new(
        &self,
        name: &str,
        text: String,
        cancel: &CancellationToken,
    ) -> Result<bool, NotStarted> {
        self.asked(&self.file(name), cancel, move |path| {
            let made = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path);
            let mut file = match made {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
                Err(error) => return Err(error),
            };
            // What is left of it, as on a full disk, would be taken for another run's.
            file.write_all(text.as_bytes())
                .inspect_err(|_| drop(fs::remove_file(path)))?;
            Ok(true)
        })
    }

    /// Puts a file there as a whole: nobody sees a part of it.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn put(
        &self,
        name: &str,
        text: String,
        cancel: &CancellationToken,
    ) -> Result<(), NotStarted> {
        let aside = self.file(&format!(".{}.part", name.replace('/', "-")));
        self.asked(&self.file(name), cancel, move |path| {
            fs::write(&aside, text)?;
            fs::rename(&aside, path)
        })
    }

    /// Puts a file where all look.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn say(
        &self,
        name: &str,
        text: String,
        cancel: &CancellationToken,
    ) -> Result<(), NotStarted> {
        self.put(&format!("{SAID}/{name}"), text, cancel)
    }

    /// The names of the files that shards left.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn names(&self, cancel: &CancellationToken) -> Result<Vec<String>, NotStarted> {
        self.asked(&self.path, cancel, names_in)
    }

    /// The names of what was said.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn names_said(&self, cancel: &CancellationToken) -> Result<Vec<String>, NotStarted> {
        self.asked(&self.path.join(SAID), cancel, names_in)
    }

    /// The text of a file; `None` if it is not there, or gone again.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn read(
        &self,
        file: &Path,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, NotStarted> {
        self.asked(file, cancel, |path| {
            match files::read_text(path, MOST_BYTES) {
                Ok(text) => Ok(Some(text)),
                // A network's file system says so where the file was put in place of another.
                Err(error) if error.kind() == io::ErrorKind::NotFound || is_stale(&error) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })
    }

    /// Asks the file system on a thread of its own: one that does not answer holds up
    /// nothing but that.
    fn asked<T: Send + 'static>(
        &self,
        path: &Path,
        cancel: &CancellationToken,
        ask: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, NotStarted> {
        let unusable = |source| NotStarted::Folder {
            path: path.to_owned(),
            source,
        };
        let (answer, answered) = mpsc::sync_channel(1);
        let own = path.to_owned();
        std::thread::Builder::new()
            .name("rendezvous".to_owned())
            .spawn(move || drop(answer.send(ask(&own))))
            .map_err(unusable)?;
        let began = Instant::now();
        loop {
            match answered.recv_timeout(SLEEP_AT_MOST) {
                Ok(answer) => return answer.map_err(unusable),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    return Err(NotStarted::Stopped);
                }
                Err(RecvTimeoutError::Timeout) if began.elapsed() < self.answer_within => {}
                Err(_) => {
                    let limit_s = self.answer_within.as_secs_f64();
                    let path = path.to_owned();
                    return Err(NotStarted::NoAnswer { path, limit_s });
                }
            }
        }
    }
}

fn is_stale(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::ESTALE)
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
