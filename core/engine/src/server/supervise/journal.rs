//! What was started and may still run: one file per server, from before its
//! start until its whole tree is gone. What a crash leaves is found by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::job::{Job, MARK};
use crate::os::processes::{self, Stat};
use crate::os::{files, private};

/// How long a left-over supervisor may take to stop its tree before the tree is
/// killed, beyond its own grace.
const SUPERVISOR_EXTRA: Duration = Duration::from_secs(10);
/// How long killed processes may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// Largest entry that is read, bytes.
const LARGEST_ENTRY: u64 = 1 << 20;

/// One started server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Value of [`MARK`] in the environment of its processes.
    pub mark: String,
    /// Boot of the machine in which it was started: none of its processes can
    /// outlive that.
    pub boot: String,
    /// InferBench.
    pub owner: ProcessId,
    /// Its supervisor.
    pub supervisor: ProcessId,
    /// Folder of its logs.
    pub folder: PathBuf,
    /// Seconds that it may take to stop.
    pub grace_s: u32,
    /// Commands that stop what is not in its tree.
    pub stop_commands: Vec<Vec<String>>,
    /// Where its processes can be seen; absent in entries of older versions.
    #[serde(default)]
    pub place: Option<Place>,
}

/// Where processes have numbers of their own: a machine, or a container on it. Several may
/// share the folder of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the host.
    pub host: String,
    /// Its namespace of processes, as the kernel names it.
    pub processes: String,
}

impl Place {
    fn here() -> Option<Self> {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        let processes = fs::read_link("/proc/self/ns/pid").ok()?;
        Some(Self {
            host: host.trim().to_owned(),
            processes: processes.to_str()?.to_owned(),
        })
    }
}

/// A process, distinguished from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// Ticks after boot at which it started; absent if it could not be read.
    pub started: Option<u64>,
}

impl ProcessId {
    fn read(pid: i32) -> Self {
        let process = procfs::process::Process::new(pid).ok();
        Self {
            pid,
            started: process.and_then(|p| Some(p.stat().ok()?.starttime)),
        }
    }

    fn lives(self, all: &[Stat]) -> bool {
        let same = |stat: &&Stat| stat.pid == self.pid && Some(stat.started) == self.started;
        all.iter().find(same).is_some_and(|stat| !stat.dead)
    }
}

/// What is noted in a file; `None` if it is no entry.
fn read_entry(path: &Path) -> Option<Entry> {
    serde_json::from_slice(&files::read(path, LARGEST_ENTRY).ok()?).ok()
}

impl Entry {
    /// The entry of a job that the process `supervisor` does.
    #[must_use]
    pub fn for_job(job: &Job, supervisor: i32) -> Self {
        Self {
            mark: job.mark.clone(),
            boot: boot_id(),
            owner: ProcessId::read(job.owner),
            supervisor: ProcessId::read(supervisor),
            folder: job.folder.clone(),
            grace_s: job.stop.grace_s,
            stop_commands: job.stop_commands.clone(),
            place: Place::here(),
        }
    }

    /// Whether its processes are those of another machine or container, of which nothing
    /// can be said here.
    fn is_elsewhere(&self, boot: &str, here: Option<&Place>) -> bool {
        let both = self.place.as_ref().zip(here);
        both.is_some_and(|(place, here)| {
            let is_of_this_boot = self.boot == boot;
            place.host != here.host || is_of_this_boot && place.processes != here.processes
        })
    }

    /// Whether it is sure that its server is gone: its processes would be seen here, no one
    /// answers for it, and nothing of it is elsewhere.
    fn is_surely_over(&self, all: &[Stat], boot: &str, here: Option<&Place>) -> bool {
        let Some(place) = &self.place else {
            return false;
        };
        let is_of_this_host = here.is_some_and(|here| here.host == place.host);
        let is_seen = here == Some(place);
        let is_before = is_of_this_host && self.boot != boot;
        let is_dead = is_seen && !self.owner.lives(all) && processes_of(self, all).is_empty();
        self.stop_commands.is_empty() && (is_before || self.boot == boot && is_dead)
    }
}

fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// A server that is still there although the run that started it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Folder of its logs.
    pub folder: PathBuf,
    /// Its processes, by number.
    pub pids: Vec<i32>,
    /// Commands that stop what is not a process of this machine's user.
    pub stop_commands: Vec<Vec<String>>,
    #[serde(skip)]
    entry: Entry,
}

/// The folder of entries.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The user's journal: `XDG_STATE_HOME`, else `~/.local/state`; `None` if
    /// neither variable is set.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let state = set("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
        Some(Self::at(&state.join("inferbench/servers")))
    }

    /// The journal in `folder`, which need not be there.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, mark: &str) -> PathBuf {
        self.folder.join(format!("{mark}.json"))
    }

    /// Notes a server that is about to be started.
    ///
    /// # Errors
    /// If the entry cannot be written.
    pub fn note(&self, entry: &Entry) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let aside = self.folder.join(format!("{}.part", entry.mark));
        private::write(&aside, serde_json::to_vec_pretty(entry)?)?;
        fs::rename(aside, self.file(&entry.mark))
    }

    /// Erases the entry of a server that is gone. One that stays is found to be
    /// gone later.
    pub fn erase(&self, mark: &str) {
        drop(fs::remove_file(self.file(mark)));
    }

    fn entries(&self) -> Vec<Entry> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let json = files.filter(|file| file.path().extension().is_some_and(|e| e == "json"));
        let read = json.filter_map(|file| read_entry(&file.path()));
        read.collect()
    }

    /// What runs of this user left behind. Entries of servers that are gone are
    /// erased on the way; those of runs that still go on, or are elsewhere, are passed over.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Leftover> {
        let all = processes::all();
        let (boot, here) = (boot_id(), Place::here());
        let mut found = Vec::new();
        for entry in self.entries() {
            let goes_on = entry.boot == boot && entry.owner.lives(&all);
            if goes_on || entry.is_elsewhere(&boot, here.as_ref()) {
                continue;
            }
            let pids = match entry.boot == boot {
                true => processes_of(&entry, &all),
                false => Vec::new(),
            };
            // A container may be there although no process of it can be seen.
            if pids.is_empty() && entry.stop_commands.is_empty() {
                self.erase(&entry.mark);
                continue;
            }
            found.push(Leftover {
                folder: entry.folder.clone(),
                pids,
                stop_commands: entry.stop_commands.clone(),
                entry,
            });
        }
        found
    }

    /// Erases the entries of servers that are surely gone. Whatever else there is stays as
    /// it is.
    pub fn tidy(&self) {
        let entries = self.entries();
        if entries.is_empty() {
            return;
        }
        let (all, boot, here) = (processes::all(), boot_id(), Place::here());
        let over = entries.iter();
        let over = over.filter(|entry| entry.is_surely_over(&all, &boot, here.as_ref()));
        over.for_each(|entry| self.erase(&entry.mark));
    }

    /// Waits until the servers of an InferBench that is gone are stopped, and stops those
    /// whose supervisor does not. Gives the processes that would not go.
    #[must_use]
    pub(crate) fn stop_all_of(&self, owner: i32) -> Vec<i32> {
        let own = self.leftovers().into_iter();
        let own = own.filter(|leftover| leftover.entry.owner.pid == owner);
        own.flat_map(|leftover| self.stop(&leftover)).collect()
    }

    /// Stops a left-over server. Gives the processes that would not go.
    #[must_use]
    pub fn stop(&self, leftover: &Leftover) -> Vec<i32> {
        let entry = &leftover.entry;
        let there = || processes_of(entry, &processes::all());
        if entry.supervisor.lives(&processes::all()) {
            processes::signal(entry.supervisor.pid, Signal::SIGTERM);
            let grace = Duration::from_secs(u64::from(entry.grace_s));
            wait_until(grace + SUPERVISOR_EXTRA, || there().is_empty());
        } else {
            run_stop_commands(entry);
        }
        self.kill_all_of(entry)
    }

    /// Kills a server whose supervisor is gone or hangs, with whatever it started. Gives
    /// the processes that would not go; `None` if nothing is noted of it.
    pub(crate) fn kill(&self, mark: &str) -> Option<Vec<i32>> {
        let entry = read_entry(&self.file(mark))?;
        run_stop_commands(&entry);
        Some(self.kill_all_of(&entry))
    }

    fn kill_all_of(&self, entry: &Entry) -> Vec<i32> {
        let there = || processes_of(entry, &processes::all());
        wait_until(AFTER_KILL, || {
            let left = there();
            for pid in &left {
                processes::signal(*pid, Signal::SIGKILL);
            }
            left.is_empty()
        });
        let left = there();
        if left.is_empty() {
            self.erase(&entry.mark);
        }
        left
    }
}

fn run_stop_commands(entry: &Entry) {
    for command in &entry.stop_commands {
        if let Some((program, arguments)) = command.split_first() {
            let mut stop = std::process::Command::new(program);
            // A container that is gone already is what it is for.
            drop(stop.args(arguments).output());
        }
    }
}

fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !holds() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Living processes of the entry: its supervisor with all below it, and
/// whatever carries its mark.
fn processes_of(entry: &Entry, all: &[Stat]) -> Vec<i32> {
    let tree: Vec<&Stat> = match entry.supervisor.lives(all) {
        true => processes::members(entry.supervisor.pid, all),
        false => Vec::new(),
    };
    let wanted = format!("{MARK}={}", entry.mark);
    let marked = all.iter().filter(|stat| carries(stat.pid, &wanted));
    let mut pids: Vec<i32> = tree
        .into_iter()
        .chain(marked)
        .filter(|stat| !stat.dead)
        .map(|stat| stat.pid)
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn carries(pid: i32, wanted: &str) -> bool {
    // Processes of other users cannot be read, and are none of ours.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|var| var == wanted.as_bytes())
}
