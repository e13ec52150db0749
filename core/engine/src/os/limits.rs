//! What this system allows a client: open files and local ports.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::Builder;

use inferbench_model::text::number::bytes;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use thiserror::Error;

use super::cgroup;

/// Descriptors that are left for all that is no connection of the load: files
/// of the run, logs, plugins, samplers, the control plane.
pub const RESERVED_FILES: u64 = 64;

/// Address space without which a run may end in its middle, bytes: the allocator keeps some
/// for each thread.
const LEAST_ADDRESS_SPACE: u64 = 1536 << 20;
/// Threads that a run has at once: its samplers and writers, the loads, the runtime.
const THREADS: usize = 32;

/// A limit of this process, its user or its control group that leaves no room for the work.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TooLow {
    /// Memory.
    #[error("the limit on address space (ulimit -v) is {}, InferBench needs {} or more", bytes(*.0), bytes(LEAST_ADDRESS_SPACE))]
    AddressSpace(u64),
    /// Descriptors.
    #[error(
        "the limit on open files (ulimit -n) is {0}, InferBench needs {RESERVED_FILES} or more"
    )]
    OpenFiles(u64),
    /// Threads and processes.
    #[error("{had} of {THREADS} threads can be started: {why}")]
    Threads {
        /// How many.
        had: usize,
        /// The limits that there are.
        why: String,
    },
}

/// Whether the limits leave room for a run: a thread that cannot be had, or memory, would
/// end it in its middle.
///
/// # Errors
/// The first that does not.
pub fn leave_room() -> Result<(), TooLow> {
    let is_below = |resource, least| {
        // A system that does not say may have room.
        let (soft, hard) = getrlimit(resource).unwrap_or((RLIM_INFINITY, RLIM_INFINITY));
        // The soft one of open files is raised.
        let limit = match resource {
            Resource::RLIMIT_NOFILE => hard,
            _ => soft,
        };
        (limit < least).then_some(limit)
    };
    if let Some(limit) = is_below(Resource::RLIMIT_AS, LEAST_ADDRESS_SPACE) {
        return Err(TooLow::AddressSpace(limit));
    }
    if let Some(limit) = is_below(Resource::RLIMIT_NOFILE, RESERVED_FILES) {
        return Err(TooLow::OpenFiles(limit));
    }
    threads_left(THREADS)
}

/// Whether so many more threads can be had at once.
fn threads_left(needed: usize) -> Result<(), TooLow> {
    // None of them ends before the last is there.
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut threads = Vec::new();
    for _ in 0..needed {
        let gate = Arc::clone(&gate);
        match Builder::new().spawn(move || drop(gate.lock())) {
            Ok(thread) => threads.push(thread),
            Err(_) => break,
        }
    }
    drop(closed);
    let had = threads.len();
    for thread in threads {
        // It does nothing that could panic.
        drop(thread.join());
    }
    match had == needed {
        true => Ok(()),
        false => Err(TooLow::Threads {
            had,
            why: limits_on_threads(),
        }),
    }
}

/// Every limit that may be why a thread cannot be had, in words.
fn limits_on_threads() -> String {
    let soft = |resource| {
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != RLIM_INFINITY).then_some(soft)
    };
    let user = soft(Resource::RLIMIT_NPROC)
        .map(|n| format!("the limit on this user's processes (ulimit -u) is {n}"));
    let maxima = cgroup::files("pids", "pids.max");
    let maxima = maxima.iter().filter_map(|text| text.parse::<u64>().ok());
    let group = maxima
        .min()
        .map(|n| format!("that of the control group (pids.max) is {n}"));
    let memory = soft(Resource::RLIMIT_AS)
        .map(|n| format!("that on address space (ulimit -v) is {}", bytes(n)));
    let words: Vec<String> = [user, group, memory].into_iter().flatten().collect();
    match words.is_empty() {
        true => "the system has no more".to_owned(),
        false => words.join(", "),
    }
}

/// How many descriptors this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// In effect.
    pub soft: u64,
    /// To which the soft one can be raised.
    pub hard: u64,
}

impl OpenFiles {
    /// Why so many connections at once cannot be had, at the hard limit; `None`
    /// if they can.
    #[must_use]
    pub fn refuses(self, connections: u32) -> Option<String> {
        let needed = u64::from(connections) + RESERVED_FILES;
        (needed > self.hard).then(|| {
            format!(
                "is {connections}, which needs {needed} open files: the hard limit of this process is {}",
                self.hard
            )
        })
    }
}

/// Turns the signal for a file that may not grow any further (`ulimit -f`) into an error
/// of the write, which then says which file. What is started gets the signal as ever.
pub fn outlive_file_size_limit() {
    // Where it cannot be had, the signal ends the process as before.
    drop(signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::default(),
    ));
}

/// The limits in effect.
///
/// # Errors
/// The system's own.
pub fn open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(OpenFiles { soft, hard })
}

/// Raises the soft limit to the hard one, for this process and for every
/// process that it starts from now on.
///
/// # Errors
/// The system's own.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let OpenFiles { soft, hard } = open_files()?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(OpenFiles { soft: hard, hard })
}

/// Local ports of the range for outgoing connections that no socket holds, one
/// that still lingers after its end included; `None` if the system does not say.
#[must_use]
pub fn local_ports_left() -> Option<u64> {
    let (first, last) = local_port_range()?;
    let v4 = procfs::net::tcp().ok()?;
    // Without IPv6 there is no such table, and nothing in it.
    let v6 = procfs::net::tcp6().unwrap_or_default();
    let ports = v4.into_iter().chain(v6).map(|e| e.local_address.port());
    let held: HashSet<u16> = ports.filter(|port| (first..=last).contains(port)).collect();
    Some(u64::from(last - first) + 1 - held.len() as u64)
}

/// First and last port of the range for outgoing connections; `None` if the
/// system does not say.
#[must_use]
pub fn local_port_range() -> Option<(u16, u16)> {
    port_range(&std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    let (first, last) = (words.next()?.ok()?, words.next()?.ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_the_hard_limit_carries_are_refused_with_both_numbers() {
        let limit = OpenFiles {
            soft: 64,
            hard: 192,
        };
        assert_eq!(limit.refuses(128), None);
        assert_eq!(
            limit.refuses(129).unwrap(),
            "is 129, which needs 193 open files: the hard limit of this process is 192"
        );
    }

    #[test]
    fn the_range_of_ports_is_two_numbers() {
        assert_eq!(port_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(port_range("60999 32768"), None);
        assert_eq!(port_range(""), None);
    }

    #[test]
    fn an_open_connection_holds_a_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let left = local_ports_left().unwrap();
        assert!(left > 0 && left < 65_536, "{left}");
        drop(listener);
    }
}
