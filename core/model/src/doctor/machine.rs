//! What follows from the machine: its cores, memory and disk, and how busy they
//! are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Judged, Verdict};
use crate::facts::machine::HostFacts;
use crate::text::number::{bytes, grouped, three_digits};

/// Cores below which client and server share one: what one does delays the other.
pub const WANTED_CORES: f64 = 2.0;

/// Memory below which a run with its reports may not fit: a report of 100,000
/// requests takes tens of MiB, a page and a browser more.
pub const WANTED_MEMORY_BYTES: u64 = 1 << 30;

/// Free disk space below which a run may not fit: 100,000 requests of some
/// hundred tokens are some hundred MB.
pub const WANTED_DISK_BYTES: u64 = 1 << 30;

/// Load of the last minute per core from which on others work here too.
pub const BUSY_LOAD_PER_CORE: f64 = 0.5;

/// Share of the cores from which on others work here too, percent: a system
/// that does nothing takes one or two.
pub const BUSY_PERCENT: f64 = 20.0;

/// Share of the time taken by the hypervisor from which on measured times suffer,
/// percent: one part in a hundred moves a p99.
pub const STEAL_PERCENT: f64 = 1.0;

/// What to do about others who work here too.
const WAIT_FOR_IDLE: &str = "wait until the machine is idle, or check with top";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Host(pub HostFacts);

impl Judged for Host {
    fn verdict(&self) -> Verdict {
        let parts = [&self.0.hostname, &self.0.os, &self.0.cpu];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        match parts.is_empty() {
            true => Verdict::warning(
                "the system does not report what it is",
                "mount /proc: reports name the machine, and comparisons need that",
            ),
            false => Verdict::ok(parts.join(", ")),
        }
    }
}
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cores {
    /// Logical cores of the machine.
    pub present: Option<u32>,
    /// Those on which this process may run.
    pub usable: Option<u32>,
    /// Core seconds a second that the control group may use; `None` without a limit.
    pub quota: Option<f64>,
}

impl Judged for Cores {
    fn verdict(&self) -> Verdict {
        let Some(usable) = self.usable else {
            return Verdict::warning(
                "the system does not report how many can be used",
                "compare the CPU figures of reports with the machine's cores",
            );
        };
        let mut words = format!("{usable} usable");
        if let Some(present) = self.present.filter(|present| *present != usable) {
            words += &format!(" of {present}");
        }
        if let Some(quota) = self.quota {
            words += &format!(", a quota of {} core seconds a second", three_digits(quota));
        }
        if self.quota.is_some() {
            return Verdict::warning(
                words,
                "a used-up quota stops all threads for milliseconds: pin cores (--cpuset-cpus) instead",
            );
        }
        match f64::from(usable) < WANTED_CORES {
            true => Verdict::warning(words, "client and server share this core: use at least two"),
            false => Verdict::ok(words),
        }
    }
}
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Of the machine.
    pub total_bytes: Option<u64>,
    /// Of it, what new processes can have.
    pub available_bytes: Option<u64>,
}

impl Judged for Memory {
    fn verdict(&self) -> Verdict {
        let (Some(total), Some(available)) = (self.total_bytes, self.available_bytes) else {
            return Verdict::warning("not reported by the system", "mount /proc");
        };
        let words = format!("{} available of {}", bytes(available), bytes(total));
        match available < WANTED_MEMORY_BYTES {
            true => Verdict::warning(
                words,
                "stop other programs that use memory: swapping delays everything",
            ),
            false => Verdict::ok(words),
        }
    }
}

/// The disk of the folder that runs are written into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    pub folder: String,
    /// The folder itself, or the nearest one above it that exists.
    pub existing: Option<String>,
    /// This user may write there; `None` if it could not be found out.
    pub writable: Option<bool>,
    /// Free for this user.
    pub free_bytes: Option<u64>,
    /// Size of the file system.
    pub size_bytes: Option<u64>,
}

impl Judged for Disk {
    fn verdict(&self) -> Verdict {
        let folder = &self.folder;
        let elsewhere = "run from another folder, or set `output` in the config";
        let Some(existing) = &self.existing else {
            return Verdict::error(format!("{folder}: cannot be inspected"), elsewhere);
        };
        if self.writable == Some(false) {
            return Verdict::error(format!("{folder}: {existing} is not writable"), elsewhere);
        }
        let (Some(free), Some(size)) = (self.free_bytes, self.size_bytes) else {
            return Verdict::warning(
                format!("{folder}: free space is not reported by the system"),
                "check with df",
            );
        };
        let words = format!("{folder}: {} free of {}", bytes(free), bytes(size));
        match free {
            0 => Verdict::error(words, elsewhere),
            n if n < WANTED_DISK_BYTES => Verdict::warning(words, elsewhere),
            _ => Verdict::ok(words),
        }
    }
}

/// How the cores' clocks are governed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Governors {
    /// Cores of each governor; empty if the system does not report them.
    pub cores: BTreeMap<String, usize>,
}

impl Judged for Governors {
    fn verdict(&self) -> Verdict {
        if self.cores.is_empty() {
            // A virtual machine has none, and nothing is to be done there.
            return Verdict::ok("none here: the clocks are the hypervisor's or the firmware's");
        }
        let words = self.cores.iter().map(|(name, n)| match n {
            1 => format!("{name} on 1 core"),
            n => format!("{name} on {n} cores"),
        });
        let words = words.collect::<Vec<_>>().join(", ");
        match self.cores.keys().all(|name| name == "performance") {
            true => Verdict::ok(words),
            false => Verdict::warning(
                words,
                "clocks that rise with the load change times: run cpupower frequency-set -g performance",
            ),
        }
    }
}
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LoadAverage {
    /// Of the last minute.
    pub one_minute: Option<f64>,
    /// Of the last quarter of an hour.
    pub fifteen_minutes: Option<f64>,
    /// Cores on which this process may run.
    pub cores: Option<u32>,
}

impl Judged for LoadAverage {
    fn verdict(&self) -> Verdict {
        let (Some(one), Some(cores)) = (self.one_minute, self.cores) else {
            return Verdict::warning("not reported by the system", "mount /proc");
        };
        let mut words = format!("{one:.2} in the last minute");
        if let Some(fifteen) = self.fifteen_minutes {
            words += &format!(", {fifteen:.2} in the last 15");
        }
        words += &format!(", on {} cores", grouped(cores.into()));
        match one > BUSY_LOAD_PER_CORE * f64::from(cores) {
            true => Verdict::warning(words, WAIT_FOR_IDLE),
            false => Verdict::ok(words),
        }
    }
}

/// What the cores did for a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CpuTime {
    /// How long they were watched, ms.
    pub watched_ms: u64,
    /// Share in which they worked, percent; `None` if the system does not report it.
    pub busy_percent: Option<f64>,
    /// Share that the hypervisor gave to others, percent.
    pub steal_percent: Option<f64>,
}

impl Judged for CpuTime {
    fn verdict(&self) -> Verdict {
        let Some(busy) = self.busy_percent else {
            return Verdict::warning("not reported by the system", "mount /proc");
        };
        let steal = self.steal_percent;
        let stolen = steal.map_or_else(String::new, |steal| format!(", {steal:.1} % stolen"));
        let words = format!("{busy:.1} % busy{stolen} in {} ms", self.watched_ms);
        if steal.is_some_and(|steal| steal > STEAL_PERCENT) {
            return Verdict::warning(
                words,
                "the hypervisor gives these cores to others: use a machine with cores of its own",
            );
        }
        match busy > BUSY_PERCENT {
            true => Verdict::warning(words, WAIT_FOR_IDLE),
            false => Verdict::ok(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_quota_and_a_single_core_are_warnings() {
        let cores = |usable, quota| Cores {
            present: Some(8),
            usable: Some(usable),
            quota,
        };
        assert_eq!(cores(8, None).verdict(), Verdict::ok("8 usable"));
        assert_eq!(cores(2, None).verdict(), Verdict::ok("2 usable of 8"));
        assert_eq!(cores(1, None).verdict().status, Status::Warning);
        let limited = cores(8, Some(1.5)).verdict();
        assert_eq!(limited.status, Status::Warning);
        assert_eq!(
            limited.text,
            "8 usable, a quota of 1.50 core seconds a second"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_little_space_a_warning() {
        let disk = |writable, free_bytes| Disk {
            folder: "results".to_owned(),
            existing: Some("/home".to_owned()),
            writable: Some(writable),
            free_bytes: Some(free_bytes),
            size_bytes: Some(1 << 40),
        };
        assert_eq!(disk(true, 1 << 30).verdict().status, Status::Ok);
        assert_eq!(disk(true, (1 << 30) - 1).verdict().status, Status::Warning);
        assert_eq!(disk(true, 0).verdict().status, Status::Error);
        let read_only = disk(false, 1 << 40).verdict();
        assert_eq!(read_only.status, Status::Error);
        assert_eq!(read_only.text, "results: /home is not writable");
    }

    #[test]
    fn one_core_that_is_not_at_performance_is_a_warning() {
        let governors = |names: &[(&str, usize)]| Governors {
            cores: names.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect(),
        };
        assert_eq!(governors(&[]).verdict().status, Status::Ok);
        assert_eq!(
            governors(&[("performance", 64)]).verdict(),
            Verdict::ok("performance on 64 cores")
        );
        let mixed = governors(&[("performance", 63), ("powersave", 1)]).verdict();
        assert_eq!(mixed.status, Status::Warning);
        assert_eq!(mixed.text, "performance on 63 cores, powersave on 1 core");
    }

    #[test]
    fn load_counts_per_core() {
        let load = |one| LoadAverage {
            one_minute: Some(one),
            fifteen_minutes: None,
            cores: Some(4),
        };
        assert_eq!(load(2.0).verdict().status, Status::Ok);
        assert_eq!(load(2.1).verdict().status, Status::Warning);
    }

    #[test]
    fn stolen_time_comes_before_busy_time() {
        let time = |busy, steal| {
            let time = CpuTime {
                watched_ms: 1000,
                busy_percent: Some(busy),
                steal_percent: steal,
            };
            time.verdict()
        };
        assert_eq!(
            time(3.0, Some(0.0)),
            Verdict::ok("3.0 % busy, 0.0 % stolen in 1000 ms")
        );
        assert!(
            time(90.0, Some(5.0))
                .hint
                .is_some_and(|h| h.contains("hypervisor"))
        );
        assert!(time(90.0, None).hint.is_some_and(|h| h.contains("idle")));
    }

    #[test]
    fn a_machine_that_reports_nothing_is_a_warning_each_time() {
        let verdicts = [
            Host::default().verdict(),
            Cores::default().verdict(),
            Memory::default().verdict(),
            LoadAverage::default().verdict(),
            CpuTime::default().verdict(),
        ];
        assert!(verdicts.iter().all(|v| v.status == Status::Warning));
    }
}
