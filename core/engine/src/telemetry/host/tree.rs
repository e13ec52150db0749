//! Finds the processes of a backend, and adds up what they use.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use procfs::process::Process;

use crate::os::processes::{self, Stat, members};

/// Time between two listings of all processes. In between only those are read
/// that are known.
const LIST_EVERY: Duration = Duration::from_secs(1);
/// Listings that take it for granted that a stranger stays one, until all are
/// read again: a number may come to belong to another process.
const LISTS_OF_STRANGERS: u32 = 10;

/// What a tree uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// CPU ticks since the last measurement; absent in the first one.
    pub(super) ticks: Option<u64>,
    /// Resident pages, shared ones counted for each process.
    pub(super) rss_pages: u64,
}

/// Measures one tree again and again.
#[derive(Debug, Default)]
pub(super) struct TreeMeter {
    /// Ticks of each process, by pid and start, in the last measurement.
    last: Option<HashMap<(i32, u64), u64>>,
    /// The processes of the last listing that still live.
    known: Vec<Process>,
    listed_ns: Option<u64>,
    /// Processes that were found not to belong to the tree.
    strangers: HashSet<i32>,
    /// Listings since the strangers were read.
    lists: u32,
    /// Ticks after boot at the last measurement.
    measured: u64,
}

impl TreeMeter {
    /// What the tree of `root` uses at `now_ns`; `None` if no process of it lives.
    ///
    /// Of a process seen for the first time counts what it used since the last
    /// measurement: all, if it has started since, else in proportion to its age.
    /// What one used between the last measurement and its end is lost, and one
    /// that lived only between two listings is not seen.
    pub(super) fn measure(&mut self, root: u32, now_ns: u64) -> Option<Usage> {
        let every_ns = LIST_EVERY.as_nanos() as u64;
        let is_due = (self.listed_ns).is_none_or(|listed_ns| now_ns - listed_ns >= every_ns);
        if is_due {
            self.listed_ns = Some(now_ns);
            let all = self.look_around();
            return self.list(root, &all, boot_ticks());
        }
        let mut living = Vec::with_capacity(self.known.len());
        self.known.retain(|process| {
            let stat = process.stat().ok().map(|stat| Stat::from_proc(&stat));
            let stat = stat.filter(|stat| !stat.dead);
            living.extend(stat);
            stat.is_some()
        });
        self.take(&living, boot_ticks())
    }

    /// Every process but the known strangers.
    fn look_around(&mut self) -> Vec<Stat> {
        self.lists = (self.lists + 1) % LISTS_OF_STRANGERS;
        if self.lists == 0 {
            self.strangers.clear();
        }
        let pids = processes::pids();
        let there: HashSet<i32> = pids.iter().copied().collect();
        self.strangers.retain(|pid| there.contains(pid));
        let others = pids.iter().filter(|pid| !self.strangers.contains(pid));
        others.filter_map(|pid| processes::one(*pid)).collect()
    }

    /// Finds the tree among all processes, at a time in ticks after boot.
    fn list(&mut self, root: u32, all: &[Stat], now: u64) -> Option<Usage> {
        let members = members(i32::try_from(root).ok()?, all);
        let own: HashSet<i32> = members.iter().map(|stat| stat.pid).collect();
        let strangers = all.iter().filter(|stat| !own.contains(&stat.pid));
        self.strangers.extend(strangers.map(|stat| stat.pid));
        let living = members.into_iter().filter(|stat| !stat.dead).copied();
        let living: Vec<Stat> = living.collect();
        self.known.retain(|known| {
            living
                .iter()
                .any(|s| s.pid == known.pid && known.is_alive())
        });
        for stat in &living {
            if !self.known.iter().any(|known| known.pid == stat.pid) {
                self.known.extend(Process::new(stat.pid));
            }
        }
        self.take(&living, now)
    }

    fn take(&mut self, living: &[Stat], now: u64) -> Option<Usage> {
        let since = std::mem::replace(&mut self.measured, now);
        if living.is_empty() {
            self.last = None;
            return None;
        }
        let ticks = self.last.as_ref().map(|last| {
            let used = |stat: &Stat| match last.get(&(stat.pid, stat.started)) {
                Some(before) => stat.ticks.saturating_sub(*before),
                None => used_since(stat, since, now),
            };
            living.iter().map(used).sum()
        });
        let of = living.iter().map(|s| ((s.pid, s.started), s.ticks));
        self.last = Some(of.collect());
        Some(Usage {
            ticks,
            rss_pages: living.iter().map(|stat| stat.rss_pages).sum(),
        })
    }

    /// Memory of the tree with shared pages divided among those who share them,
    /// bytes; `None` if that of one process cannot be read: the sum would be
    /// too small.
    pub(super) fn pss_bytes(&self) -> Option<u64> {
        let living = self.known.iter().filter(|process| process.is_alive());
        let each: Option<Vec<u64>> = living.map(pss_bytes).collect();
        each.filter(|each| !each.is_empty())
            .map(|each| each.iter().sum())
    }
}

/// What a process that was not known at `since` used until `now`, as if it had
/// worked evenly from its start.
fn used_since(stat: &Stat, since: u64, now: u64) -> u64 {
    let age = now.saturating_sub(stat.started);
    let known_for = now.saturating_sub(since);
    if age <= known_for {
        return stat.ticks;
    }
    stat.ticks * known_for / age
}

/// Ticks since the host was booted.
fn boot_ticks() -> u64 {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    let ticks = since_boot.map(|d| d.as_secs_f64() * procfs::ticks_per_second() as f64);
    ticks.map_or(0, |ticks| ticks as u64)
}

/// The same of one process.
pub(super) fn pss_bytes(process: &Process) -> Option<u64> {
    let rollup = process.smaps_rollup().ok()?.memory_map_rollup;
    let maps = rollup.into_iter();
    maps.map(|map| map.extension.map.get("Pss").copied()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::processes::tests::stat;

    #[test]
    fn cpu_is_what_was_used_since_the_last_measurement() {
        let mut meter = TreeMeter::default();
        let first = [stat(100, 1, 100, 50), stat(101, 100, 100, 7)];
        assert_eq!(
            meter.list(100, &first, 1),
            Some(Usage {
                ticks: None,
                rss_pages: 20
            })
        );
        // 100 used 10 more, 101 has ended, 102 is new
        let second = [stat(100, 1, 100, 60), stat(102, 100, 100, 4)];
        assert_eq!(meter.list(100, &second, 1).unwrap().ticks, Some(14));
        // the pid 102 now belongs to another process
        let reused = Stat {
            started: 9,
            ..stat(102, 100, 100, 3)
        };
        let third = [stat(100, 1, 100, 60), reused];
        assert_eq!(meter.list(100, &third, 1).unwrap().ticks, Some(3));
    }

    #[test]
    fn a_tree_without_a_living_process_reports_no_use() {
        let mut meter = TreeMeter::default();
        let dead = Stat {
            dead: true,
            ..stat(100, 1, 100, 50)
        };
        assert_eq!(meter.list(100, &[dead, stat(1, 0, 1, 5)], 1), None);
        assert_eq!(meter.list(100, &[], 1), None);
    }

    #[test]
    fn a_process_that_is_its_own_parent_ends_the_search() {
        let all = [stat(100, 100, 100, 1)];
        assert_eq!(members(100, &all).len(), 1);
    }

    #[test]
    fn between_two_listings_the_known_processes_are_read_alone() {
        let mut meter = TreeMeter::default();
        let own = std::process::id();
        assert!(meter.measure(own, 5).unwrap().rss_pages > 0);
        assert!(meter.measure(own, 6).unwrap().ticks.is_some());
        assert_eq!(meter.listed_ns, Some(5));
        meter.measure(own, 5 + 1_000_000_000);
        assert_eq!(meter.listed_ns, Some(5 + 1_000_000_000));
    }

    #[test]
    fn strangers_are_not_read_again_and_a_new_child_is_found() {
        let mut meter = TreeMeter::default();
        let own = std::process::id();
        meter.measure(own, 0);
        assert!(!meter.strangers.is_empty());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        meter.measure(own, 1_000_000_000);
        let found = meter.known.iter().any(|process| process.pid == pid);
        let read = meter.look_around();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
        assert!(read.iter().all(|stat| !meter.strangers.contains(&stat.pid)));
    }

    #[test]
    fn shared_pages_are_counted_in_part() {
        let own = Process::myself().unwrap();
        let rss = own.statm().unwrap().resident * procfs::page_size();
        let pss = pss_bytes(&own).unwrap();
        assert!(pss > 0 && pss < 2 * rss, "{pss} {rss}");
    }

    #[test]
    fn a_process_found_late_counts_for_the_time_since_the_last_measurement() {
        let mut meter = TreeMeter::default();
        let root = stat(100, 1, 100, 50);
        meter.take(&[root], 1000);
        // Started at 910, 80 ticks used in 100: 5 of these 100 are since 1,005.
        let late = Stat {
            started: 910,
            ..stat(101, 100, 100, 80)
        };
        meter.take(&[root], 1005);
        assert_eq!(meter.take(&[root, late], 1010).unwrap().ticks, Some(4));
        // Started since: all of it.
        let young = Stat {
            started: 1012,
            ..stat(102, 100, 100, 3)
        };
        assert_eq!(
            meter.take(&[root, late, young], 1015).unwrap().ticks,
            Some(3)
        );
    }
}
