//! Looks at what the system allows.

use inferbench_model::doctor::Group;
use inferbench_model::doctor::limits::{Bound, FileLimit, PortFacts, ProcessLimit, SharedMemory};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use super::{Ground, Probe, Teller, cgroup};
use crate::os::limits;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "open files",
        group: Group::Limits,
        alone: false,
        look: files,
    },
    Probe {
        name: "processes",
        group: Group::Limits,
        alone: false,
        look: processes,
    },
    Probe {
        name: "local ports",
        group: Group::Limits,
        alone: false,
        look: ports,
    },
    Probe {
        name: "shared memory",
        group: Group::Limits,
        alone: false,
        look: shared_memory,
    },
];

fn bound(limit: u64) -> Bound {
    match limit {
        RLIM_INFINITY => Bound::Unlimited,
        n => Bound::At(n),
    }
}

fn files(_: &Ground, tell: &Teller) {
    let limit = limits::open_files().ok();
    let facts = FileLimit {
        soft: limit.map(|limit| bound(limit.soft)),
        hard: limit.map(|limit| bound(limit.hard)),
        reserved: limits::RESERVED_FILES,
    };
    tell.line("open files", &facts);
}

fn processes(_: &Ground, tell: &Teller) {
    let own = getrlimit(Resource::RLIMIT_NPROC).ok();
    let maxima = cgroup::files("pids", "pids.max");
    let used = cgroup::files("pids", "pids.current");
    // Groups without a limit say `max`; the nearest limit is told.
    let limited = maxima.iter().position(|text| text.parse::<u64>().is_ok());
    let number = |texts: &[String]| texts.get(limited?)?.parse::<u64>().ok();
    let facts = ProcessLimit {
        soft: own.map(|(soft, _)| bound(soft)),
        group: number(&maxima).map(Bound::At),
        // The root has a limit of neither kind: both lists end at the same group.
        group_used: number(&used).filter(|_| used.len() == maxima.len()),
    };
    tell.line("processes", &facts);
}

fn ports(_: &Ground, tell: &Teller) {
    let range = limits::local_port_range();
    let facts = PortFacts {
        first: range.map(|(first, _)| first),
        last: range.map(|(_, last)| last),
        free: limits::local_ports_left(),
    };
    tell.line("local ports", &facts);
}

fn shared_memory(_: &Ground, tell: &Teller) {
    let system = statvfs("/dev/shm").ok();
    let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
    let facts = SharedMemory {
        size_bytes: system.map(|s| bytes(s.blocks(), s.fragment_size())),
        free_bytes: system.map(|s| bytes(s.blocks_available(), s.fragment_size())),
    };
    tell.line("shared memory", &facts);
}
