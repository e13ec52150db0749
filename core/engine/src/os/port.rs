//! The port of a launched server: free, not another run's, and answered by the
//! server itself. Starting the server is for `server`.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

use crate::os::{private, processes};

/// Ports that are tried until one is not another run's.
const TRIES: u32 = 64;

/// A port that no other run of this user takes as long as this lives.
#[derive(Debug)]
pub struct Port {
    /// The port.
    pub number: u16,
    _lock: Option<File>,
}

impl Port {
    /// Reserves a port that was free a moment ago.
    ///
    /// # Errors
    /// If the system has none.
    pub fn reserve() -> io::Result<Self> {
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let number = listener.local_addr()?.port();
            match lock(number) {
                Ok(Some(lock)) => {
                    return Ok(Self {
                        number,
                        _lock: Some(lock),
                    });
                }
                // Another run's, between two of its servers.
                Ok(None) => {}
                // Where no lock can be had, the check of who listens remains.
                Err(_) => {
                    return Ok(Self {
                        number,
                        _lock: None,
                    });
                }
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// The lock of a port; `None` if another run holds it.
fn lock(number: u16) -> io::Result<Option<File>> {
    let folder = private::shared_temporary("inferbench-ports")?;
    // It is never written to. Another run's is opened, and not replaced.
    let file = private::append(&folder.join(number.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// A process that listens on a port and should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    /// Its number.
    pub(crate) pid: i32,
    /// Its name.
    pub(crate) name: String,
}

/// A process that listens on `port` and is not below `root`. `None` also where
/// the listener's owner cannot be seen, as in another user's container.
pub(crate) fn stranger_on(port: u16, root: i32) -> Option<Stranger> {
    let inodes = listening(port);
    let all = processes::all();
    let ours: Vec<i32> = processes::members(root, &all)
        .iter()
        .map(|stat| stat.pid)
        .collect();
    let held: Vec<u64> = ours.iter().flat_map(|pid| sockets(*pid)).collect();
    let foreign: Vec<u64> = inodes.into_iter().filter(|i| !held.contains(i)).collect();
    if foreign.is_empty() {
        return None;
    }
    let others = all
        .iter()
        .map(|stat| stat.pid)
        .filter(|p| !ours.contains(p));
    let pid = others
        .into_iter()
        .find(|pid| sockets(*pid).iter().any(|inode| foreign.contains(inode)))?;
    let name = Process::new(pid)
        .and_then(|p| p.stat())
        .map(|stat| stat.comm);
    Some(Stranger {
        pid,
        name: name.unwrap_or_default(),
    })
}

fn listening(port: u16) -> Vec<u64> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let entries = tables.into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port)
        .map(|entry| entry.inode)
        .collect()
}

fn sockets(pid: i32) -> Vec<u64> {
    let open = Process::new(pid).and_then(|process| process.fd());
    let targets = open.into_iter().flatten().flatten().map(|info| info.target);
    targets
        .filter_map(|target| match target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_twice_while_it_is_held() {
        let first = Port::reserve().unwrap();
        assert!(lock(first.number).unwrap().is_none());
        let number = first.number;
        drop(first);
        assert!(lock(number).unwrap().is_some());
    }

    #[test]
    fn a_listener_of_this_process_is_no_stranger_below_it_and_one_elsewhere() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id() as i32;
        assert_eq!(stranger_on(port, own), None);
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let stranger = stranger_on(port, other.id() as i32);
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(stranger.map(|stranger| stranger.pid), Some(own));
    }
}
