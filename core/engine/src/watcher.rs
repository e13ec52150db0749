//! The watcher: does this process's command in a process of its own, the worker, and sees
//! how that ends. So plugins can end the worker, and never InferBench without a word.
//!
//! What a worker says of itself is for `worker`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::pipe2;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use thiserror::Error;

use crate::os::{processes, signals};
use crate::server::launch::Exit;
use crate::server::supervise::Journal;
use crate::worker::{self, Note};

/// How long the worker's last notes may take to arrive after its end: what it started and
/// left behind may hold its end of the pipe open.
const LAST_NOTES: Duration = Duration::from_secs(5);
/// How long a worker may take to be gone once it has said that it ends.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Exit code of a Rust program whose main thread panics.
const PANIC_CODE: i32 = 101;

/// A worker that cannot be had.
#[derive(Debug, Error)]
#[error("the process that does the work cannot be {doing}")]
pub struct WatchError {
    /// What failed.
    doing: &'static str,
    #[source]
    source: io::Error,
}

/// How a worker ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, with this exit code.
    ByItself(u8),
    /// By a signal that the user sent.
    ByUser,
    /// Otherwise.
    Otherwise(CutOff),
}

/// A worker that was ended before it was done.
#[derive(Debug, Error)]
#[error("the process that does the work ended with {exit} before it was done{}", self.in_use())]
pub struct CutOff {
    /// How.
    pub exit: Exit,
    /// The run folder that it wrote to.
    pub folder: Option<PathBuf>,
    /// The plugin whose code it called last.
    pub plugin: Option<PathBuf>,
    /// Label of the backend that it called it for.
    pub backend: Option<String>,
    /// Processes of its servers that would not go.
    pub left: Vec<i32>,
}

impl CutOff {
    /// Whether something outside, such as a kernel without memory, ended it.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.exit.0.signal() == Some(Signal::SIGKILL as i32)
    }

    /// Whether its own code gave up, and has said why.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.exit.0.code() == Some(PANIC_CODE)
    }

    fn in_use(&self) -> String {
        let Some(plugin) = &self.plugin else {
            return String::new();
        };
        let plugin = plugin.display();
        match &self.backend {
            Some(backend) => format!("; last in use: backend `{backend}`, {plugin}"),
            None => format!("; last in use: {plugin}"),
        }
    }
}

/// Does this process's command in a worker, and waits for its end. Signals that end a
/// program are passed on.
///
/// # Errors
/// If there can be no worker.
pub fn watch() -> Result<Ended, WatchError> {
    let failed = |doing| move |source| WatchError { doing, source };
    let (send, events) = channel();
    // Before there is a worker: none of its ends may be missed.
    hear_signals(send.clone()).map_err(failed("watched"))?;
    let (worker, pipe) = start().map_err(failed("started"))?;
    hear_notes(pipe, send).map_err(failed("watched"))?;
    let mut watched = Watched {
        pid: i32::try_from(worker.id()).unwrap_or(0),
        worker,
        said: Said::default(),
        until: None,
    };
    let status = watched.wait(&events).map_err(failed("watched"))?;
    watched.hear_the_rest(&events);
    Ok(watched.said.conclude(watched.pid, status))
}

/// Starts this program anew, with the same arguments and the other end of a pipe.
fn start() -> io::Result<(Child, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&write, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut command = Command::new("/proc/self/exe");
    let mut given = std::env::args_os();
    if let Some(name) = given.next() {
        command.arg0(name);
    }
    command.arg(worker::argument(write.as_raw_fd())).args(given);
    Ok((command.spawn()?, read))
}

enum Event {
    Signal(i32),
    Note(Note),
    /// The worker's end of the pipe is closed.
    NoMoreNotes,
}

fn hear_signals(send: Sender<Event>) -> io::Result<()> {
    let asked = [SIGINT, SIGTERM, SIGHUP];
    // Whoever ignores one, as nohup does, means that for InferBench too.
    let asked = asked.into_iter().filter(|kind| !signals::is_ignored(*kind));
    let mut signals = Signals::new(asked.chain([SIGCHLD, SIGCONT]))?;
    let hear = move || {
        for signal in signals.forever() {
            if send.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    Builder::new().spawn(hear).map(drop)
}

fn hear_notes(pipe: OwnedFd, send: Sender<Event>) -> io::Result<()> {
    let hear = move || {
        let lines = BufReader::new(File::from(pipe)).lines();
        let notes = lines.map_while(Result::ok);
        for note in notes.filter_map(|line| serde_json::from_str(&line).ok()) {
            if send.send(Event::Note(note)).is_err() {
                return;
            }
        }
        drop(send.send(Event::NoMoreNotes));
    };
    Builder::new().spawn(hear).map(drop)
}

/// A worker, and what it said so far.
struct Watched {
    worker: Child,
    pid: i32,
    said: Said,
    /// When it is killed, although it has said that it ends.
    until: Option<Instant>,
}

impl Watched {
    fn wait(&mut self, events: &Receiver<Event>) -> io::Result<ExitStatus> {
        loop {
            let event = match self.until {
                None => events.recv().map_err(io::Error::other)?,
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match events.recv_timeout(left) {
                        Ok(event) => event,
                        Err(_) => {
                            self.worker.kill()?;
                            return self.worker.wait();
                        }
                    }
                }
            };
            if let Event::Signal(SIGCHLD) = event
                && let Some(status) = self.worker.try_wait()?
            {
                return Ok(status);
            }
            self.hear(event);
        }
    }

    /// What it wrote before its end is still in the pipe.
    fn hear_the_rest(&mut self, events: &Receiver<Event>) {
        let until = Instant::now() + LAST_NOTES;
        let left = || until.saturating_duration_since(Instant::now());
        while self.said.ends.is_none()
            && let Ok(event @ (Event::Note(_) | Event::Signal(_))) = events.recv_timeout(left())
        {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Signal(SIGCHLD) | Event::NoMoreNotes => {}
            Event::Signal(SIGCONT) => processes::signal(self.pid, Signal::SIGCONT),
            Event::Signal(_) => {
                self.said.is_asked_to_stop = true;
                processes::signal(self.pid, worker::STOP);
            }
            Event::Note(note) => {
                if let Note::Ends(_) = note {
                    self.until = Some(Instant::now() + END_LIMIT);
                }
                self.said.take(note);
            }
        }
    }
}

/// What is known of a worker.
#[derive(Debug, Default)]
struct Said {
    ends: Option<u8>,
    folder: Option<PathBuf>,
    plugin: Option<PathBuf>,
    backend: Option<String>,
    is_asked_to_stop: bool,
}

impl Said {
    fn take(&mut self, note: Note) {
        match note {
            Note::Ends(code) => self.ends = Some(code),
            Note::Folder(folder) => self.folder = Some(folder),
            Note::Plugin { file, backend } => {
                self.plugin = Some(file);
                self.backend = backend;
            }
        }
    }

    fn conclude(self, worker: i32, status: ExitStatus) -> Ended {
        if let Some(code) = self.ends {
            return Ended::ByItself(code);
        }
        // One that has no handler for them yet.
        let ends_by_signal = status
            .signal()
            .is_some_and(|signal| [SIGINT, SIGTERM, SIGHUP, worker::STOP as i32].contains(&signal));
        if self.is_asked_to_stop && ends_by_signal {
            return Ended::ByUser;
        }
        Ended::Otherwise(CutOff {
            exit: Exit(status),
            folder: self.folder,
            plugin: self.plugin,
            backend: self.backend,
            left: Journal::of_user().map_or_else(Vec::new, |journal| journal.stop_all_of(worker)),
        })
    }
}
