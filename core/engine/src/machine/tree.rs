//! The processes that belong to a backend, and what they use together.

use std::collections::{HashMap, HashSet};

/// One process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Ticks after boot at which it started: tells a reused pid apart.
    pub(super) started: u64,
    /// CPU ticks used since it started.
    pub(super) ticks: u64,
    pub(super) rss_pages: u64,
    /// It has ended and only waits to be reaped.
    pub(super) dead: bool,
}

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
}

impl TreeMeter {
    /// What the tree of `root` uses; `None` if no process of it lives.
    ///
    /// A process seen for the first time counts whole: it has started since.
    /// What one used between the last measurement and its end is lost.
    pub(super) fn measure(&mut self, root: u32, all: &[Stat]) -> Option<Usage> {
        let root = i32::try_from(root).ok()?;
        let living: Vec<&Stat> = members(root, all)
            .into_iter()
            .filter(|stat| !stat.dead)
            .collect();
        if living.is_empty() {
            self.last = None;
            return None;
        }
        let now = living.iter().map(|s| ((s.pid, s.started), s.ticks));
        let now: HashMap<_, _> = now.collect();
        let ticks = self.last.as_ref().map(|last| {
            let used = |(key, ticks): (&(i32, u64), &u64)| {
                ticks.saturating_sub(last.get(key).copied().unwrap_or(0))
            };
            now.iter().map(used).sum()
        });
        self.last = Some(now);
        Some(Usage {
            ticks,
            rss_pages: living.iter().map(|stat| stat.rss_pages).sum(),
        })
    }
}

/// The process `root`, what is in the session or group that it leads or led
/// (a daemon's parent has changed), and the descendants of all these.
fn members(root: i32, all: &[Stat]) -> Vec<&Stat> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, parent: i32, session: i32, ticks: u64) -> Stat {
        Stat {
            pid,
            parent,
            group: session,
            session,
            started: 1,
            ticks,
            rss_pages: 10,
            dead: false,
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

    #[test]
    fn cpu_is_what_was_used_since_the_last_measurement() {
        let mut meter = TreeMeter::default();
        let first = [stat(100, 1, 100, 50), stat(101, 100, 100, 7)];
        assert_eq!(
            meter.measure(100, &first),
            Some(Usage {
                ticks: None,
                rss_pages: 20
            })
        );
        // 100 used 10 more, 101 has ended, 102 is new
        let second = [stat(100, 1, 100, 60), stat(102, 100, 100, 4)];
        assert_eq!(meter.measure(100, &second).unwrap().ticks, Some(14));
        // the pid 102 now belongs to another process
        let reused = Stat {
            started: 9,
            ..stat(102, 100, 100, 3)
        };
        let third = [stat(100, 1, 100, 60), reused];
        assert_eq!(meter.measure(100, &third).unwrap().ticks, Some(3));
    }

    #[test]
    fn a_tree_without_a_living_process_uses_nothing_that_could_be_told() {
        let mut meter = TreeMeter::default();
        let dead = Stat {
            dead: true,
            ..stat(100, 1, 100, 50)
        };
        assert_eq!(meter.measure(100, &[dead, stat(1, 0, 1, 5)]), None);
        assert_eq!(meter.measure(100, &[]), None);
    }

    #[test]
    fn a_process_that_is_its_own_parent_ends_the_search() {
        let all = [stat(100, 100, 100, 1)];
        assert_eq!(members(100, &all).len(), 1);
    }
}
