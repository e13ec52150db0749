//! What the supervisor's process does: starts a server, watches it, stops its tree
//! and reports.

use std::cell::Cell;
use std::io::{self, BufRead, Write};
use std::num::TryFromIntError;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, setsid};
use thiserror::Error;

use super::hear::{self, Heard};
use super::job::{Job, MARK, Order, Report};
use super::journal::{Entry, Journal};
use super::log_cap;
use crate::event::with_causes;
use crate::os::{private, processes};

/// How long killed processes may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// Files that a server's output and its errors go to.
const LOGS: [&str; 2] = ["stdout.log", "stderr.log"];
/// Time between two rounds of signals to a tree that forks meanwhile.
const AGAIN: Duration = Duration::from_millis(50);
/// What a stop command may take beyond the plan's grace.
const STOP_COMMAND_EXTRA: Duration = Duration::from_secs(10);

/// A supervisor that cannot do its work.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// It was given nothing to do.
    #[error("no job came on standard input: this command is for InferBench itself")]
    NoJob,
    /// The system refuses what it needs.
    #[error("the supervisor cannot watch over processes")]
    System(#[from] io::Error),
}

/// A server that could not be started.
#[derive(Debug, Error)]
enum StartError {
    #[error("{}", path.display())]
    Log {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no such program")]
    NoProgram,
    #[error("it may not be run")]
    NotExecutable,
    #[error("its supervisor has no threads")]
    NoThread(#[source] io::Error),
    #[error(transparent)]
    Spawn(io::Error),
    #[error(transparent)]
    Pid(#[from] TryFromIntError),
}

impl StartError {
    fn spawn(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoProgram,
            io::ErrorKind::PermissionDenied => Self::NotExecutable,
            _ => Self::Spawn(error),
        }
    }
}

/// Supervises one server from the job on standard input until it is stopped.
///
/// # Errors
/// If there is no job or the system refuses; nothing was started then.
pub fn main() -> Result<(), SuperviseError> {
    let mut line = String::new();
    let job: Option<Job> = match io::stdin().lock().read_line(&mut line) {
        Ok(_) => serde_json::from_str(&line).ok(),
        Err(_) => None,
    };
    let job = job.ok_or(SuperviseError::NoJob)?;
    // Its own session: neither the terminal's keys nor its end reach the tree.
    let _: Result<Pid, Errno> = setsid();
    prctl::set_child_subreaper(true).map_err(io::Error::from)?;
    let (send, heard) = channel();
    let logs = LOGS.map(|name| job.folder.join(name)).to_vec();
    // Every thread is there before the server is, which nobody would watch without them.
    let listening = log_cap::watch(logs).and_then(|()| hear::listen(&send));
    let note = Note::write(&job);
    let started = listening
        .map_err(StartError::NoThread)
        .and_then(|reaper| Ok((start(&job)?, reaper)));
    let (pid, reaper) = match started {
        Ok(started) => started,
        Err(error) => {
            note.erase();
            let reason = with_causes(&error);
            report(&Report::Refused { reason });
            return Ok(());
        }
    };
    report(&Report::Started { pid: pid.as_raw() });
    reaper.begin();
    let empty = Cell::new(false);
    let left = Tree {
        job,
        pid,
        heard,
        empty,
    }
    .supervise();
    if left.is_empty() {
        note.erase();
    }
    report(&Report::Stopped { left });
    Ok(())
}

/// The entry in the journal, from before the start until the tree is gone.
struct Note(Option<(Journal, String)>);

impl Note {
    fn write(job: &Job) -> Self {
        let noted = job.journal.as_deref().and_then(|folder| {
            let journal = Journal::at(folder);
            journal.note(&Entry::for_job(job, getpid().as_raw())).ok()?;
            Some((journal, job.mark.clone()))
        });
        Self(noted)
    }

    fn erase(self) {
        if let Some((journal, mark)) = self.0 {
            journal.erase(&mark);
        }
    }
}

fn report(report: &Report) {
    if let Ok(text) = serde_json::to_string(report) {
        // Nobody listens when InferBench is gone.
        let mut out = io::stdout().lock();
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }
}

fn start(job: &Job) -> Result<Pid, StartError> {
    let log = |name: &str| {
        let path = job.folder.join(name);
        // It is appended to, so that it can be cut meanwhile.
        let opened = private::create(&path).and_then(|_| private::append(&path));
        opened.map_err(|source| StartError::Log { path, source })
    };
    let child = Command::new(&job.program)
        .args(&job.arguments)
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .env(MARK, &job.mark)
        .stdin(Stdio::null())
        .stdout(log(LOGS[0])?)
        .stderr(log(LOGS[1])?)
        .process_group(0)
        .spawn()
        .map_err(StartError::spawn)?;
    // It is reaped with all others.
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

struct Tree {
    job: Job,
    /// The first process.
    pid: Pid,
    heard: Receiver<Heard>,
    /// No process of it is left.
    empty: Cell<bool>,
}

impl Tree {
    /// Waits for an order or for the end, then stops the tree. Gives what would
    /// not go.
    fn supervise(&self) -> Vec<i32> {
        let order = loop {
            match self.heard.recv() {
                Ok(Heard::Order(order)) => break order,
                Ok(Heard::End) | Err(_) => break Order::Stop,
                Ok(heard) => self.note(heard),
            }
        };
        // Also when the tree is gone: they are for what was never in it.
        let order = self.run_stop_commands(order);
        if self.empty.get() {
            return Vec::new();
        }
        let left = self.stop_tree(order);
        // A client that was ended while it asked for something may have got it.
        if let Some(last) = self.job.stop_commands.last() {
            self.run_stop_command(last);
        }
        left
    }

    /// Signals the tree until nothing is left of it. Gives what would not go.
    fn stop_tree(&self, order: Order) -> Vec<i32> {
        let signal = match (order, self.job.stop.signal.as_str()) {
            (Order::Kill, _) => Signal::SIGKILL,
            (Order::Stop, "INT") => Signal::SIGINT,
            (Order::Stop, _) => Signal::SIGTERM,
        };
        let grace = Duration::from_secs(u64::from(self.job.stop.grace_s));
        self.signal_all(signal);
        if self.wait_empty(grace, signal == Signal::SIGKILL) || self.wait_empty(AFTER_KILL, true) {
            return Vec::new();
        }
        self.members()
    }

    /// Takes note of what ended.
    fn note(&self, heard: Heard) {
        match heard {
            Heard::Ended(pid, status) if pid == self.pid => report(&Report::Exited { status }),
            Heard::Empty => self.empty.set(true),
            Heard::Ended(..) | Heard::Order(_) | Heard::End => {}
        }
    }

    /// Waits until nothing is left. With `kills`, whatever is still there is
    /// killed again and again; an order to kill makes it so.
    fn wait_empty(&self, limit: Duration, mut kills: bool) -> bool {
        let until = Instant::now() + limit;
        while !self.empty.get() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            if kills {
                self.signal_all(Signal::SIGKILL);
            }
            match self.heard.recv_timeout(left.min(AGAIN)) {
                Ok(Heard::Order(Order::Kill)) => kills = true,
                Ok(Heard::Order(Order::Stop) | Heard::End) | Err(RecvTimeoutError::Timeout) => {}
                Ok(heard) => self.note(heard),
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Every process below this one.
    fn members(&self) -> Vec<i32> {
        let own = getpid().as_raw();
        let all = processes::all();
        let members = processes::members(own, &all).into_iter();
        members
            .map(|stat| stat.pid)
            .filter(|pid| *pid != own)
            .collect()
    }

    fn signal_all(&self, signal: Signal) {
        processes::signal_group(self.pid.as_raw(), signal);
        for pid in self.members() {
            processes::signal(pid, signal);
        }
    }

    /// Runs the stop commands, or only the last one, which gives no grace, as
    /// soon as there is an order to kill. Gives the order that then holds.
    fn run_stop_commands(&self, mut order: Order) -> Order {
        let Some((last, gentle)) = self.job.stop_commands.split_last() else {
            return order;
        };
        for command in gentle {
            if order == Order::Stop && self.run_stop_command(command) {
                order = Order::Kill;
            }
        }
        self.run_stop_command(last);
        order
    }

    /// Runs one stop command to its end; whether an order to kill ended it.
    fn run_stop_command(&self, command: &[String]) -> bool {
        let Some((program, arguments)) = command.split_first() else {
            return false;
        };
        let log = |name| {
            let opened = private::append(&self.job.folder.join(name));
            opened.map_or_else(|_| Stdio::null(), Stdio::from)
        };
        let limit = Duration::from_secs(u64::from(self.job.stop.grace_s)) + STOP_COMMAND_EXTRA;
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log("stop.log"))
            .spawn();
        let Ok(child) = started else {
            return false;
        };
        let Ok(pid) = i32::try_from(child.id()).map(Pid::from_raw) else {
            return false;
        };
        // Whoever reaps it, it is gone once it has no status left to give.
        let until = Instant::now() + limit;
        let mut is_killed = false;
        while kill(pid, None).is_ok() && Instant::now() < until {
            let _: Result<WaitStatus, Errno> = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            match self.heard.recv_timeout(Duration::from_millis(20)) {
                Ok(Heard::Order(Order::Kill)) if !is_killed => {
                    is_killed = true;
                    processes::signal(pid.as_raw(), Signal::SIGKILL);
                }
                Ok(heard) => self.note(heard),
                Err(_) => {}
            }
        }
        is_killed
    }
}
