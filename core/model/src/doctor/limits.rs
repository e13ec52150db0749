//! What follows from what the system allows.

use serde::{Serialize, Serializer};

use super::{Judged, Verdict};
use crate::text::number::{bytes, grouped};

/// Streams at once that any machine should carry: the highest that `calibrate`
/// measures.
pub const WANTED_STREAMS: u64 = 1024;

/// Processes and threads below which engines fail at their start: one thread
/// per core and library, times workers, on a machine of 128 cores.
pub const WANTED_PROCESSES: u64 = 4096;

/// Free local ports below which a run may lack some: each connection that ends
/// holds its port for a minute more.
pub const WANTED_PORTS: u64 = 2048;

/// Shared memory below which workers of one engine cannot exchange tensors:
/// containers have 64 MiB by default.
pub const WANTED_SHARED_MEMORY_BYTES: u64 = 1 << 30;
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    At(u64),
    Unlimited,
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(n) => serializer.serialize_u64(*n),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(n) => f.write_str(&grouped(*n)),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

const NOT_REPORTED: &str = "not reported by the system";
const NOT_REPORTED_HINT: &str = "a run reports if it is too low";

/// Descriptors that this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileLimit {
    /// In effect; `None` if the system does not report it.
    pub soft: Option<Bound>,
    /// To which a run raises the soft one.
    pub hard: Option<Bound>,
    /// Of these, what a run keeps for other things than connections.
    pub reserved: u64,
}

impl Judged for FileLimit {
    fn verdict(&self) -> Verdict {
        let (Some(soft), Some(hard)) = (self.soft, self.hard) else {
            return Verdict::warning(NOT_REPORTED, NOT_REPORTED_HINT);
        };
        let words = format!("{soft}, a run raises it to {hard}");
        let raise = "raise the hard limit with ulimit -Hn, LimitNOFILE or --ulimit nofile";
        match hard {
            Bound::At(n) if n <= self.reserved => {
                Verdict::error(format!("{words}: too few for any connection"), raise)
            }
            Bound::At(n) if n - self.reserved < WANTED_STREAMS => {
                let streams = grouped(n - self.reserved);
                Verdict::warning(format!("{words}: enough for {streams} streams"), raise)
            }
            _ => Verdict::ok(words),
        }
    }
}

/// Processes and threads that this user may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProcessLimit {
    /// Of the user, in effect; `None` if the system does not report it.
    pub soft: Option<Bound>,
    /// Of the control group (a container's, a service's), if it has one.
    pub group: Option<Bound>,
    /// What the control group has of them.
    pub group_used: Option<u64>,
}

impl Judged for ProcessLimit {
    fn verdict(&self) -> Verdict {
        let group_left = match (self.group, self.group_used) {
            (Some(Bound::At(max)), used) => Some(Bound::At(max.saturating_sub(used.unwrap_or(0)))),
            (group, _) => group,
        };
        let mut words: Vec<String> = Vec::new();
        words.extend(self.soft.map(|soft| format!("{soft} for this user")));
        words.extend(group_left.map(|left| format!("{left} left in this control group")));
        let Some(least) = self.soft.into_iter().chain(group_left).min() else {
            return Verdict::warning(NOT_REPORTED, NOT_REPORTED_HINT);
        };
        let words = words.join(", ");
        match least {
            Bound::At(n) if n < WANTED_PROCESSES => Verdict::warning(
                words,
                format!(
                    "engines start thousands of threads: allow {}, with ulimit -u, TasksMax or --pids-limit",
                    grouped(WANTED_PROCESSES)
                ),
            ),
            _ => Verdict::ok(words),
        }
    }
}

/// Ports for outgoing connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PortFacts {
    /// First of the range; `None` if the system does not report it.
    pub first: Option<u16>,
    /// Last of the range.
    pub last: Option<u16>,
    /// Those that no socket holds.
    pub free: Option<u64>,
}

impl Judged for PortFacts {
    fn verdict(&self) -> Verdict {
        let (Some(first), Some(last), Some(free)) = (self.first, self.last, self.free) else {
            return Verdict::warning(NOT_REPORTED, NOT_REPORTED_HINT);
        };
        let words = format!("{} free of {first} to {last}", grouped(free));
        let hint = "wait a minute for closed connections, or widen net.ipv4.ip_local_port_range";
        match free {
            0 => Verdict::error(words, hint),
            n if n < WANTED_PORTS => Verdict::warning(words, hint),
            _ => Verdict::ok(words),
        }
    }
}

/// The file system for memory that processes share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SharedMemory {
    /// Its size; `None` if there is none.
    pub size_bytes: Option<u64>,
    /// Free of it.
    pub free_bytes: Option<u64>,
}

impl Judged for SharedMemory {
    fn verdict(&self) -> Verdict {
        let hint =
            "engines with several workers need it: --shm-size, or --ipc host, of the container";
        let (Some(size), Some(free)) = (self.size_bytes, self.free_bytes) else {
            return Verdict::warning("/dev/shm is not there", hint);
        };
        let words = format!("{} free of {}", bytes(free), bytes(size));
        match free < WANTED_SHARED_MEMORY_BYTES {
            true => Verdict::warning(words, hint),
            false => Verdict::ok(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use crate::text::number::NARROW_SPACE;

    fn files(soft: u64, hard: Bound) -> Verdict {
        let facts = FileLimit {
            soft: Some(Bound::At(soft)),
            hard: Some(hard),
            reserved: 64,
        };
        facts.verdict()
    }

    #[test]
    fn the_hard_limit_of_files_decides_and_the_soft_one_does_not() {
        assert_eq!(files(64, Bound::Unlimited).status, Status::Ok);
        assert_eq!(files(64, Bound::At(1088)).status, Status::Ok);
        let few = files(64, Bound::At(564));
        assert_eq!(few.status, Status::Warning);
        assert!(few.text.ends_with("enough for 500 streams"), "{}", few.text);
        assert_eq!(files(64, Bound::At(64)).status, Status::Error);
    }

    #[test]
    fn what_the_system_does_not_report_is_a_warning() {
        let unreported = FileLimit {
            soft: None,
            hard: None,
            reserved: 64,
        };
        assert_eq!(unreported.verdict().status, Status::Warning);
        assert_eq!(PortFacts::default().verdict().status, Status::Warning);
        assert_eq!(ProcessLimit::default().verdict().status, Status::Warning);
        assert_eq!(SharedMemory::default().verdict().status, Status::Warning);
    }

    #[test]
    fn the_tighter_of_user_and_control_group_decides() {
        let limit = ProcessLimit {
            soft: Some(Bound::Unlimited),
            group: Some(Bound::At(5000)),
            group_used: Some(1000),
        };
        let verdict = limit.verdict();
        assert_eq!(verdict.status, Status::Warning);
        assert_eq!(
            verdict.text,
            format!("unlimited for this user, 4{NARROW_SPACE}000 left in this control group")
        );
        let alone = ProcessLimit {
            soft: Some(Bound::At(4096)),
            ..ProcessLimit::default()
        };
        assert_eq!(alone.verdict().status, Status::Ok);
    }

    #[test]
    fn no_free_port_is_an_error_and_few_are_a_warning() {
        let ports = |free| {
            let facts = PortFacts {
                first: Some(32768),
                last: Some(60999),
                free: Some(free),
            };
            facts.verdict().status
        };
        assert_eq!(ports(0), Status::Error);
        assert_eq!(ports(2047), Status::Warning);
        assert_eq!(ports(2048), Status::Ok);
    }

    #[test]
    fn the_shared_memory_of_a_plain_container_is_too_little() {
        let memory = |free_bytes| SharedMemory {
            size_bytes: Some(1 << 34),
            free_bytes: Some(free_bytes),
        };
        assert_eq!(memory(64 << 20).verdict().status, Status::Warning);
        assert_eq!(memory(1 << 30).verdict().status, Status::Ok);
    }

    #[test]
    fn no_limit_is_a_word_in_the_data() {
        assert_eq!(
            serde_json::json!([Bound::At(7), Bound::Unlimited]),
            serde_json::json!([7, "unlimited"])
        );
    }
}
