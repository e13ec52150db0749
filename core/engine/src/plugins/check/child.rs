//! The child's side: loads the library, runs the checks and reports how they go.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use inferbench_testkit::exchanges::replay_folder_watched;
use inferbench_testkit::{Progress, conformance_watched};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::dup2_stdin;
use serde_json::Map;

use super::footprint::Footprint;
use super::memory;
use super::message::{ChildMessage, PluginCheckError};
use crate::plugins::host::{Plugin, PluginHost};

/// Name of the folder of exchanges that is looked for beside a library.
const EXCHANGES: &str = "exchanges";

/// What the child is to do.
#[derive(Debug, Clone, Copy)]
pub struct ChildWork<'a> {
    /// The library.
    pub file: &'a Path,
    /// Folder of recorded exchanges.
    pub exchanges: Option<&'a Path>,
    /// Whatever others may have done to it.
    pub trust_dir: bool,
    /// Load it, and check nothing else.
    pub load_only: bool,
}

/// Checks one library and reports it over standard input, which is a socket. The
/// library's code runs in this process, and may end it.
///
/// # Errors
/// If standard input is no socket of a parent's.
pub fn main(wanted: &ChildWork<'_>) -> Result<(), PluginCheckError> {
    let ChildWork {
        file, exchanges, ..
    } = *wanted;
    let mut parent = Parent::take().map_err(|source| PluginCheckError::Child {
        doing: "finding its parent",
        source,
    })?;
    let before = Footprint::now();
    parent.begins(None, "the library loads");
    let host = PluginHost::load_only(file, wanted.trust_dir);
    let Some(found) = host.found.first() else {
        return Ok(());
    };
    let loaded = match &found.outcome {
        Ok(loaded) => loaded,
        Err(refusal) => {
            parent.ended(Some(format!("it {refusal}")));
            parent.send(&ChildMessage::Done);
            return Ok(());
        }
    };
    parent.ended(None);
    if wanted.load_only {
        parent.send(&ChildMessage::Done);
        return Ok(());
    }
    parent.send(&ChildMessage::Loaded {
        api: loaded.api.clone(),
        rustc: loaded.rustc.clone(),
        backends: host.names().map(str::to_owned).collect(),
    });
    for plugin in host.plugins() {
        check_backend(plugin, &mut parent);
    }
    if let Some(plugin) = host.plugins().next() {
        check_exchanges(plugin, exchanges, &mut parent);
    }
    parent.begins(None, "it leaves its process as it was");
    parent.ended(before.changes());
    parent.send(&ChildMessage::Done);
    Ok(())
}

fn check_backend(plugin: &Plugin, parent: &mut Parent) {
    let name = &plugin.description.name;
    let mut failed = false;
    // The report says what the watcher was given.
    drop(conformance_watched(
        plugin.module,
        name,
        &Map::new(),
        &mut |progress| {
            failed |= matches!(progress, Progress::Ended(check) if check.outcome.is_err());
            parent.passes_on(Some(name), progress);
        },
    ));
    if failed {
        return;
    }
    parent.begins(Some(name), memory::CLAIM);
    parent.ended(memory::check(plugin).err().map(|error| error.to_string()));
}

fn check_exchanges(plugin: &Plugin, folder: Option<&Path>, parent: &mut Parent) {
    let beside = plugin.file.with_file_name(EXCHANGES);
    let folder = match folder {
        Some(folder) => Cow::Borrowed(folder),
        None if beside.is_dir() => Cow::Owned(beside),
        None => {
            let words = "no recorded exchanges were checked: give --exchanges DIR";
            parent.send(&ChildMessage::Note(words.to_owned()));
            return;
        }
    };
    drop(replay_folder_watched(
        plugin.module,
        &folder,
        &mut |progress| parent.passes_on(None, progress),
    ));
}

/// The process that wants to know.
struct Parent(File);

impl Parent {
    /// Takes the socket away from standard input, where the library could read it,
    /// and ties this process's life to its parent's.
    fn take() -> io::Result<Self> {
        set_pdeathsig(Signal::SIGKILL)?;
        // A plugin that crashes leaves no core file behind.
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self(File::from(socket)))
    }

    fn send(&mut self, message: &ChildMessage) {
        // Without a parent nobody listens, and the process ends soon.
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            drop(self.0.write_all(&line));
        }
    }

    fn begins(&mut self, backend: Option<&str>, check: &str) {
        self.send(&ChildMessage::Begins {
            backend: backend.map(str::to_owned),
            check: check.to_owned(),
        });
    }

    fn ended(&mut self, reason: Option<String>) {
        self.send(&ChildMessage::Ended { reason });
    }

    fn passes_on(&mut self, backend: Option<&str>, progress: Progress<'_>) {
        match progress {
            Progress::Begins(check) => self.begins(backend, check),
            Progress::Ended(check) => self.ended(check.outcome.clone().err()),
        }
    }
}
