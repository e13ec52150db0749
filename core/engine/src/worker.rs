//! The worker: the process that does a command whose plugins it runs in itself, and what
//! it tells the watcher, the process above it that the user started.
//!
//! A plugin can end its process at any moment and with any status. So whoever started
//! InferBench waits for another process than the one that holds the plugins, and that one
//! says with its last word that it came to its end by itself. How the watcher waits is for
//! `watcher`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, raise};
use nix::unistd::close;
use serde::{Deserialize, Serialize};

use crate::os::processes;

/// Begins the first argument of a worker, before the process id of its watcher, a `:` and
/// the number of the pipe to it. It is taken away before any other argument is read.
const ARGUMENT: &str = "--watched-by=";
/// What a watcher that was asked to stop sends on. A worker hears the terminal's own signals
/// besides, and must know one from the other.
pub const STOP: Signal = Signal::SIGUSR1;
/// Time between two looks whether the watcher was paused.
const LOOK_EVERY: Duration = Duration::from_millis(100);

static WATCHER: OnceLock<Mutex<File>> = OnceLock::new();

/// What a worker tells its watcher, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// Facts go to this run folder from now on.
    Folder(PathBuf),
    /// Code of this plugin is called from now on.
    Plugin {
        /// Its library.
        file: PathBuf,
        /// Label of the backend that it is called for.
        backend: Option<String>,
    },
    /// All is done: the process ends with this code now.
    Ends(u8),
}

/// The argument that makes a process the worker of this one, with the end of the pipe that
/// it will write to.
pub(crate) fn argument(pipe: i32) -> String {
    format!("{ARGUMENT}{}:{pipe}", std::process::id())
}

/// This process's arguments as the user gave them.
pub fn given_arguments() -> impl Iterator<Item = OsString> {
    let own = |index: usize, word: &OsString| index == 1 && read_argument(word).is_some();
    let all = std::env::args_os().enumerate();
    all.filter(move |(index, word)| !own(*index, word))
        .map(|(_, word)| word)
}

fn read_argument(word: &OsString) -> Option<(u32, i32)> {
    let (watcher, pipe) = word.to_str()?.strip_prefix(ARGUMENT)?.split_once(':')?;
    Some((watcher.parse().ok()?, pipe.parse().ok()?))
}

/// Takes up the work if this process is a worker; whether it is one. Its life is tied to
/// its watcher's from then on.
///
/// # Errors
/// If the watcher is gone or cannot be written to.
pub fn begin() -> io::Result<bool> {
    let first = std::env::args_os().nth(1);
    let Some((watcher, pipe)) = first.as_ref().and_then(read_argument) else {
        return Ok(false);
    };
    set_pdeathsig(Signal::SIGKILL)?;
    if parent_id() != watcher {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe));
    }
    // Opened anew, it does not reach what this process starts.
    let opened = File::options()
        .write(true)
        .open(format!("/proc/self/fd/{pipe}"))?;
    close(pipe)?;
    drop(WATCHER.set(Mutex::new(opened)));
    // Without it, a watcher that is paused goes on working, and nothing else.
    drop(std::thread::Builder::new().spawn(move || pause_with(watcher)));
    Ok(true)
}

/// Whoever stops one of the two means both. The watcher lets both go on.
fn pause_with(watcher: u32) {
    let Ok(watcher) = i32::try_from(watcher) else {
        return;
    };
    while let Some(stat) = processes::one(watcher) {
        if stat.stopped {
            // Of itself a process may always ask that.
            let _: Result<(), Errno> = raise(Signal::SIGSTOP);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Tells the watcher. Without one nobody listens.
pub fn note(note: &Note) {
    let Some(Ok(mut watcher)) = WATCHER.get().map(Mutex::lock) else {
        return;
    };
    if let Ok(mut line) = serde_json::to_vec(note) {
        line.push(b'\n');
        drop(watcher.write_all(&line));
    }
}

/// Tells the watcher whose code is called from now on.
pub(crate) fn note_plugin(file: &Path, backend: Option<&str>) {
    note(&Note::Plugin {
        file: file.to_owned(),
        backend: backend.map(str::to_owned),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_argument_of_a_worker_is_taken_for_one() {
        let read = |word: &str| read_argument(&OsString::from(word));
        assert_eq!(read("--watched-by=17:5"), Some((17, 5)));
        assert_eq!(read(&argument(5)), Some((std::process::id(), 5)));
        for other in [
            "run",
            "--watched-by=17",
            "--watched-by=:5",
            "--watched-by=a:b",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
