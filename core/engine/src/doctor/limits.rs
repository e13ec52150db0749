//! Looks at what the system allows.

use inferbench_model::doctor::limits::{Bound, FileLimit, PortFacts, ProcessLimit, SharedMemory};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use crate::os::cgroup;
use crate::os::limits;

fn bound(limit: u64) -> Bound {
    match limit {
        RLIM_INFINITY => Bound::Unlimited,
        n => Bound::At(n),
    }
}

pub(super) fn files() -> FileLimit {
    let limit = limits::open_files().ok();
    FileLimit {
        soft: limit.map(|limit| bound(limit.soft)),
        hard: limit.map(|limit| bound(limit.hard)),
        reserved: limits::RESERVED_FILES,
    }
}

pub(super) fn processes() -> ProcessLimit {
    let own = getrlimit(Resource::RLIMIT_NPROC).ok();
    let maxima = cgroup::files("pids", "pids.max");
    let used = cgroup::files("pids", "pids.current");
    // Groups without a limit have `max`; the nearest limit is reported.
    let limited = maxima.iter().position(|text| text.parse::<u64>().is_ok());
    let number = |texts: &[String]| texts.get(limited?)?.parse::<u64>().ok();
    ProcessLimit {
        soft: own.map(|(soft, _)| bound(soft)),
        group: number(&maxima).map(Bound::At),
        // The root has a limit of neither kind: both lists end at the same group.
        group_used: number(&used).filter(|_| used.len() == maxima.len()),
    }
}

pub(super) fn ports() -> PortFacts {
    let range = limits::local_port_range();
    PortFacts {
        first: range.map(|(first, _)| first),
        last: range.map(|(_, last)| last),
        free: limits::local_ports_left(),
    }
}

pub(super) fn shared_memory() -> SharedMemory {
    let system = statvfs("/dev/shm").ok();
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    SharedMemory {
        size_bytes: system.map(|s| bytes(s.blocks(), s.fragment_size())),
        free_bytes: system.map(|s| bytes(s.blocks_available(), s.fragment_size())),
    }
}
