//! The processes that belong to a backend, and what they use together.

use std::collections::HashMap;

use crate::processes::{Stat, members};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::tests::stat;

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
