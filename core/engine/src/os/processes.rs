//! The processes of this machine: what each is, and which belong together. Whose
//! they are is for the callers.

use std::collections::{HashMap, HashSet};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use procfs::FromRead;

/// Variable that marks every process of one launched server, whatever it forks.
pub const MARK: &str = "INFERBENCH_SERVER";

/// One process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// Ticks after boot at which it started: distinguishes a reused pid.
    pub(crate) started: u64,
    /// CPU ticks used since it started.
    pub(crate) ticks: u64,
    pub(crate) rss_pages: u64,
    /// It has ended and only waits to be reaped.
    pub(crate) dead: bool,
    /// A signal has stopped it, and another may let it go on.
    pub(crate) stopped: bool,
}

impl Stat {
    /// What the kernel says of a process.
    pub(crate) fn from_proc(stat: &procfs::process::Stat) -> Self {
        Self {
            pid: stat.pid,
            parent: stat.ppid,
            group: stat.pgrp,
            session: stat.session,
            started: stat.starttime,
            ticks: stat.utime + stat.stime,
            rss_pages: stat.rss,
            dead: matches!(stat.state, 'Z' | 'X' | 'x'),
            stopped: stat.state == 'T',
        }
    }
}

/// Every process that can be read; one that vanishes meanwhile is left out.
pub(crate) fn all() -> Vec<Stat> {
    let all = procfs::process::all_processes().into_iter().flatten();
    let stats = all.filter_map(|process| process.ok()?.stat().ok());
    stats.map(|stat| Stat::from_proc(&stat)).collect()
}

/// What one process is; `None` if it is gone.
pub(crate) fn one(pid: i32) -> Option<Stat> {
    let stat = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    let stat = procfs::process::Stat::from_read(stat).ok()?;
    Some(Stat::from_proc(&stat))
}

/// The number of every process.
pub(crate) fn pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.collect()
}

/// The process `root`, what is in the session or group that it leads or led
/// (a daemon's parent has changed), and the descendants of all these.
pub(crate) fn members(root: i32, all: &[Stat]) -> Vec<&Stat> {
    let mut children: HashMap<i32, Vec<&Stat>> = HashMap::new();
    for stat in all {
        children.entry(stat.parent).or_default().push(stat);
    }
    let own = |stat: &&Stat| [stat.pid, stat.group, stat.session].contains(&root);
    let mut open: Vec<&Stat> = all.iter().filter(own).collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(stat) = open.pop() {
        if seen.insert(stat.pid) {
            found.push(stat);
            open.extend(children.get(&stat.pid).into_iter().flatten());
        }
    }
    found
}

/// Sends a signal to one process. That it is gone already is what most signals
/// are for.
pub(crate) fn signal(pid: i32, signal: Signal) {
    let _: Result<(), Errno> = kill(Pid::from_raw(pid), signal);
}

/// Sends a signal to a group, which may be gone already; never to this one's own.
pub(crate) fn signal_group(group: i32, signal: Signal) {
    if group > 1 {
        let _: Result<(), Errno> = killpg(Pid::from_raw(group), signal);
    }
}

/// A variable in the environment that the process began with; `None` also where
/// that may not be read.
pub(crate) fn variable(pid: i32, name: &str) -> Option<Vec<u8>> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut vars = environment.split(|byte| *byte == 0);
    let start = format!("{name}=");
    vars.find_map(|var| var.strip_prefix(start.as_bytes()).map(<[u8]>::to_vec))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A living process of the group `session`.
    pub(crate) fn stat(pid: i32, parent: i32, session: i32, ticks: u64) -> Stat {
        Stat {
            pid,
            parent,
            group: session,
            session,
            started: 1,
            ticks,
            rss_pages: 10,
            dead: false,
            stopped: false,
        }
    }

    #[test]
    fn descendants_and_processes_that_were_reparented_belong_to_the_tree() {
        let all = [
            stat(1, 0, 1, 500),
            stat(100, 1, 100, 5),
            // child and grandchild, the latter in a session of its own
            stat(101, 100, 100, 5),
            stat(102, 101, 102, 5),
            // its parent has ended, init has adopted it
            stat(103, 1, 100, 5),
            // a stranger, and the child of one
            stat(200, 1, 200, 900),
            stat(201, 200, 200, 900),
        ];
        let mut pids: Vec<i32> = members(100, &all).iter().map(|s| s.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [100, 101, 102, 103]);
    }
}
