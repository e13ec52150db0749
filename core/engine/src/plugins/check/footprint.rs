//! What a library may change of the process it is loaded into, and must not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use procfs::process::Process;

/// The state of this process at one moment; what cannot be read is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footprint {
    folder: Option<PathBuf>,
    variables: BTreeMap<OsString, OsString>,
    umask: Option<u32>,
    /// Bit n-1: signal n has a handler.
    handled: Option<u64>,
    /// Bit n-1: signal n is ignored.
    ignored: Option<u64>,
    threads: Option<u64>,
    descriptors: Option<usize>,
}

impl Footprint {
    pub(super) fn now() -> Self {
        let own = Process::myself().ok();
        let status = own.as_ref().and_then(|own| own.status().ok());
        let status_of = |read: fn(&procfs::process::Status) -> u64| status.as_ref().map(read);
        Self {
            folder: std::env::current_dir().ok(),
            variables: std::env::vars_os().collect(),
            umask: status.as_ref().and_then(|status| status.umask),
            handled: status_of(|status| status.sigcgt),
            ignored: status_of(|status| status.sigign),
            threads: status_of(|status| status.threads),
            descriptors: own.as_ref().and_then(|own| own.fd_count().ok()),
        }
    }

    /// What differs now, in one line; `None` if nothing does.
    pub(super) fn changes(&self) -> Option<String> {
        let changes = self.compared(&Self::now());
        (!changes.is_empty()).then(|| changes.join("; "))
    }

    fn compared(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if now.folder != self.folder {
            let folder = now.folder.as_deref().unwrap_or("one that is gone".as_ref());
            changes.push(format!("the current folder is now {}", folder.display()));
        }
        let names = self.variables.keys().chain(now.variables.keys());
        let mut changed: Vec<_> = names
            .filter(|name| self.variables.get(*name) != now.variables.get(*name))
            .map(|name| name.to_string_lossy())
            .collect();
        changed.sort();
        changed.dedup();
        if !changed.is_empty() {
            changes.push(format!(
                "environment variables changed: {}",
                changed.join(", ")
            ));
        }
        if let (Some(was), Some(is)) = (self.umask, now.umask)
            && was != is
        {
            changes.push(format!("the umask was {was:03o} and is {is:03o}"));
        }
        let masks = [
            ("handled", self.handled, now.handled),
            ("ignored", self.ignored, now.ignored),
        ];
        for (how, was, is) in masks {
            let signals = signals(was.unwrap_or_default() ^ is.unwrap_or_default());
            if !signals.is_empty() {
                changes.push(format!(
                    "signals are {how} otherwise: {}",
                    signals.join(", ")
                ));
            }
        }
        if now.threads > self.threads {
            let (was, is) = (self.threads.unwrap_or(0), now.threads.unwrap_or(0));
            changes.push(format!("{} threads still run", is - was));
        }
        if now.descriptors > self.descriptors {
            let (was, is) = (self.descriptors.unwrap_or(0), now.descriptors.unwrap_or(0));
            changes.push(format!("{} files or sockets are still open", is - was));
        }
        changes
    }
}

/// Names of the signals in a mask.
fn signals(mask: u64) -> Vec<String> {
    // 32 and 33 are the C library's own, for threads.
    let numbers = (1..=64).filter(|n| mask >> (n - 1) & 1 == 1 && ![32, 33].contains(n));
    let name = |number| {
        Signal::try_from(number)
            .map_or_else(|_| format!("signal {number}"), |s| s.as_str().to_owned())
    };
    numbers.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_did_nothing_is_as_it_was() {
        let before = Footprint {
            // Other tests of this program start threads and open files.
            threads: None,
            descriptors: None,
            ..Footprint::now()
        };
        let now = Footprint {
            threads: None,
            descriptors: None,
            ..Footprint::now()
        };
        assert_eq!(before.compared(&now), Vec::<String>::new());
    }

    #[test]
    fn each_change_is_named() {
        let before = Footprint {
            threads: Some(1),
            descriptors: Some(3),
            handled: Some(0),
            ..Footprint::now()
        };
        let now = Footprint {
            folder: Some("/".into()),
            threads: Some(3),
            descriptors: Some(4),
            handled: Some(1 << (15 - 1)),
            ..before.clone()
        };
        assert_eq!(
            before.compared(&now),
            [
                "the current folder is now /",
                "signals are handled otherwise: SIGTERM",
                "2 threads still run",
                "1 files or sockets are still open",
            ]
        );
    }
}
