//! Splits a device's memory by owner: the backend, or others.

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use procfs::process::Process;

use crate::os::processes;

/// More processes than any device holds: a larger number is garbage.
const MOST_PROCESSES: u32 = 16_384;
/// Longest line of parents that is followed.
const MOST_PARENTS: usize = 64;

/// A process on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// Memory; absent if NVML does not say.
    pub(super) bytes: Option<u64>,
}

/// How a device's memory is shared out. What is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Sum over all processes.
    pub(super) processes_bytes: Option<u64>,
    pub(super) backend_bytes: Option<u64>,
    pub(super) others_bytes: Option<u64>,
}

/// The processes on a device, each once.
///
/// # Errors
/// NVML does not list them, or a number of them that cannot be.
pub(super) fn holders(device: &Device<'_>) -> Result<Vec<Holder>, NvmlError> {
    // The wrapper makes room for as many as are reported.
    let count = device.running_compute_processes_count()?;
    if count > MOST_PROCESSES {
        return Err(NvmlError::IncorrectBits(nvml_wrapper::error::Bits::U32(
            count,
        )));
    }
    let mut found = device.running_compute_processes()?;
    let graphics = device.running_graphics_processes_count().unwrap_or(0);
    if (1..=MOST_PROCESSES).contains(&graphics) {
        found.extend(device.running_graphics_processes().unwrap_or_default());
    }
    found.sort_by_key(|process| process.pid);
    found.dedup_by_key(|process| process.pid);
    let holder = |process: nvml_wrapper::struct_wrappers::device::ProcessInfo| Holder {
        pid: process.pid,
        bytes: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    };
    Ok(found.into_iter().map(holder).collect())
}

/// Whether a process belongs to the backend whose tree has the root `root`;
/// `None` if it cannot be seen from here: it has ended, or is in another
/// namespace of processes.
pub(super) fn belongs(pid: u32, root: u32) -> Option<bool> {
    let (pid, root) = (i32::try_from(pid).ok()?, i32::try_from(root).ok()?);
    let mut next = pid;
    for _ in 0..MOST_PARENTS {
        let stat = Process::new(next).and_then(|process| process.stat());
        let Ok(stat) = stat else {
            if next == pid {
                return None;
            }
            break;
        };
        if [stat.pid, stat.pgrp, stat.session].contains(&root) {
            return Some(true);
        }
        if stat.ppid <= 1 {
            break;
        }
        next = stat.ppid;
    }
    Some(is_marked(pid))
}

/// Whether it is of a server that this process has started: one in a container
/// is not below its supervisor.
fn is_marked(pid: i32) -> bool {
    let mark = processes::variable(pid, processes::MARK).unwrap_or_default();
    mark.starts_with(format!("{}-", std::process::id()).as_bytes())
}

/// Shares out `used_bytes` among `holders`, each with whether it belongs to the
/// backend. A list without a process of the backend says that it holds nothing
/// only if every process on it can be seen.
pub(super) fn share(holders: &[(Holder, Option<bool>)], used_bytes: Option<u64>) -> Shares {
    let sum = |of: &[&Holder]| of.iter().map(|holder| holder.bytes).sum::<Option<u64>>();
    let every: Vec<&Holder> = holders.iter().map(|(holder, _)| holder).collect();
    let own: Vec<&Holder> = holders
        .iter()
        .filter(|(_, belongs)| *belongs == Some(true))
        .map(|(holder, _)| holder)
        .collect();
    let is_blind = holders.iter().all(|(_, belongs)| belongs.is_none());
    let backend_bytes = match own.is_empty() && is_blind {
        true => None,
        false => sum(&own),
    };
    let processes_bytes = (!every.is_empty()).then(|| sum(&every)).flatten();
    let used_bytes = used_bytes.or(processes_bytes);
    Shares {
        processes_bytes,
        backend_bytes,
        others_bytes: used_bytes
            .zip(backend_bytes)
            .map(|(used, own)| used.saturating_sub(own)),
    }
}

/// A process in words: `python (pid 12)`.
pub(super) fn name(pid: u32) -> String {
    let id = i32::try_from(pid).ok();
    let stat = id.and_then(|id| Process::new(id).ok()?.stat().ok());
    match stat {
        Some(stat) => format!("{} (pid {pid})", stat.comm),
        None => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn holder(pid: u32, mib: u64, belongs: Option<bool>) -> (Holder, Option<bool>) {
        let bytes = Some(mib * MIB);
        (Holder { pid, bytes }, belongs)
    }

    #[test]
    fn g13_what_is_not_the_servers_is_the_others() {
        let before = [holder(10, 9000, Some(false))];
        let shares = share(&before, Some(9000 * MIB));
        assert_eq!(shares.backend_bytes, Some(0));
        let during = [
            holder(10, 9000, Some(false)),
            holder(11, 29_500, Some(true)),
        ];
        let shares = share(&during, Some(39_000 * MIB));
        assert_eq!(shares.backend_bytes, Some(29_500 * MIB));
        assert_eq!(shares.others_bytes, Some(9500 * MIB));
    }

    #[test]
    fn a_list_of_unseen_processes_or_of_none_says_nothing_of_the_backend() {
        assert_eq!(share(&[], Some(MIB)), Shares::default());
        let shares = share(&[holder(10, 5, None)], Some(6 * MIB));
        assert_eq!((shares.backend_bytes, shares.others_bytes), (None, None));
        assert_eq!(shares.processes_bytes, Some(5 * MIB));
    }

    #[test]
    fn memory_that_is_not_reported_makes_the_sum_unknown() {
        let silent = Holder {
            pid: 1,
            bytes: None,
        };
        let shares = share(&[(silent, Some(true)), holder(2, 1, Some(true))], None);
        assert_eq!(shares, Shares::default());
    }

    #[test]
    fn a_process_belongs_to_its_own_tree_and_not_to_another() {
        let own = std::process::id();
        assert_eq!(belongs(own, own), Some(true));
        // No process leads a group of this number, as no pid is so large.
        assert_eq!(belongs(own, 1 << 30), Some(false));
        assert_eq!(belongs(1 << 30, own), None);
    }
}
