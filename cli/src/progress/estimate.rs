//! Estimates the time that a run has left from the time its parts took so far.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::HumanDuration;
use inferbench_model::config::Level;
use inferbench_model::plan::Stage;

/// Times of finished parts, and the parts that remain.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// Stages that remain with their remaining levels; the current one is first.
    remaining: Vec<Stage>,
    /// Time per backend from the end of the previous stage to its first level.
    starts: HashMap<String, Mean>,
    levels: HashMap<(String, String), Mean>,
    /// When the current part began.
    began: Duration,
    /// A level is being measured, rather than a backend started.
    is_measuring: bool,
}

/// The time left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Left {
    pub(super) time: Duration,
    /// Every remaining part has been measured once. If not, the times of other
    /// parts are used for it.
    pub(super) is_sure: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: Duration,
    n: u32,
}

impl Mean {
    fn add(&mut self, time: Duration) {
        self.sum += time;
        self.n += 1;
    }

    fn over<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Duration> {
        let all = all.fold(Self::default(), |mut all, one| {
            all.sum += one.sum;
            all.n += one.n;
            all
        });
        (all.n > 0).then(|| all.sum / all.n)
    }
}

impl Estimate {
    /// Starts with the stages of a run; `now`: time since the run began.
    pub(super) fn begin(&mut self, stages: Vec<Stage>, now: Duration) {
        self.remaining = stages;
        self.began = now;
    }

    /// A level of the current stage begins.
    pub(super) fn level_begins(&mut self, now: Duration) {
        if let Some(stage) = self.remaining.first() {
            // Only the first level of a stage waits for its start.
            let mean = self.starts.entry(stage.backend.clone()).or_default();
            if mean.n == 0 || !self.is_measuring {
                mean.add(now.saturating_sub(self.began));
            }
        }
        self.began = now;
        self.is_measuring = true;
    }

    /// A level of the current stage has ended.
    pub(super) fn level_ends(&mut self, level: Level, now: Duration) {
        let Some(stage) = self.remaining.first_mut() else {
            return;
        };
        let key = (stage.backend.clone(), level.to_string());
        let took = now.saturating_sub(self.began);
        self.levels.entry(key).or_default().add(took);
        stage.levels.retain(|planned| planned.level != level);
        self.began = now;
        if stage.levels.is_empty() {
            self.remaining.remove(0);
            self.is_measuring = false;
        }
    }

    /// A stage has failed: its levels will not be measured. Without a block, nor
    /// those of the backend's other stages.
    pub(super) fn start_failed(&mut self, backend: &str, block: Option<u32>, now: Duration) {
        let is_block = |stage: &Stage| block.is_none_or(|block| stage.block == block);
        let is_it = |stage: &Stage| stage.backend == backend && is_block(stage);
        self.remaining.retain(|stage| !is_it(stage));
        self.began = now;
        self.is_measuring = false;
    }

    /// Number of remaining levels, the current one included.
    pub(super) fn remaining_levels(&self) -> usize {
        self.remaining.iter().map(|stage| stage.levels.len()).sum()
    }

    /// `None` before the first level has ended, and when none remains.
    pub(super) fn left(&self, now: Duration) -> Option<Left> {
        if self.remaining.is_empty() {
            return None;
        }
        let any_level = Mean::over(self.levels.values())?;
        let any_start = Mean::over(self.starts.values()).unwrap_or_default();
        let (mut time, mut is_sure) = (Duration::ZERO, true);
        for (at, stage) in self.remaining.iter().enumerate() {
            if at > 0 || !self.is_measuring {
                let own = self.starts.get(&stage.backend);
                is_sure &= own.is_some();
                time += own.map_or(any_start, |own| own.sum / own.n);
            }
            for planned in &stage.levels {
                let level = planned.level.to_string();
                let own = self.levels.get(&(stage.backend.clone(), level));
                is_sure &= own.is_some();
                time += own.map_or_else(
                    || self.mean_of_backend(stage).unwrap_or(any_level),
                    |own| own.sum / own.n,
                );
            }
        }
        let passed = now.saturating_sub(self.began);
        Some(Left {
            time: time.saturating_sub(passed),
            is_sure,
        })
    }

    fn mean_of_backend(&self, stage: &Stage) -> Option<Duration> {
        let own = self
            .levels
            .iter()
            .filter(|((label, _), _)| *label == stage.backend);
        Mean::over(own.map(|(_, mean)| mean))
    }
}

impl Left {
    /// `about 3 minutes left`; `roughly` if not every part was measured once.
    pub(super) fn words(self) -> String {
        if self.time < Duration::from_secs(1) {
            return "nearly done".to_owned();
        }
        let word = if self.is_sure { "about" } else { "roughly" };
        format!("{word} {} left", HumanDuration(self.time))
    }
}

#[cfg(test)]
mod tests {
    use inferbench_model::plan::PlannedLevel;

    use super::*;

    fn planned(levels: &[u32]) -> Vec<PlannedLevel> {
        let levels = levels.iter().copied().enumerate();
        let planned = levels.map(|(index, n)| PlannedLevel {
            index,
            level: Level::Concurrency(n),
        });
        planned.collect()
    }

    fn stage(backend: &str, block: u32, levels: &[u32]) -> Stage {
        Stage {
            backend_index: 0,
            backend: backend.to_owned(),
            block,
            levels: planned(levels),
        }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two repeats of `a` at 1 and 2: its start takes 5 s, its levels 10 and 20.
    fn after_the_first_repeat() -> Estimate {
        let mut estimate = Estimate::default();
        estimate.begin(vec![stage("a", 0, &[1, 2]), stage("a", 1, &[1, 2])], s(0));
        assert_eq!(estimate.left(s(3)), None);
        estimate.level_begins(s(5));
        estimate.level_ends(Level::Concurrency(1), s(15));
        estimate.level_begins(s(15));
        estimate.level_ends(Level::Concurrency(2), s(35));
        estimate
    }

    #[test]
    fn a_second_repeat_takes_what_the_first_took() {
        let mut estimate = after_the_first_repeat();
        let left = estimate.left(s(36)).unwrap();
        // 5 + 10 + 20, of which one has passed
        assert_eq!((left.time, left.is_sure), (s(34), true));
        assert_eq!(left.words(), "about 34 seconds left");
        estimate.level_begins(s(40));
        assert_eq!(estimate.left(s(44)).unwrap().time, s(26));
        assert_eq!(estimate.remaining_levels(), 2);
    }

    #[test]
    fn parts_never_measured_make_the_estimate_rough() {
        let mut estimate = Estimate::default();
        estimate.begin(vec![stage("a", 0, &[1, 2]), stage("b", 0, &[1])], s(0));
        estimate.level_begins(s(4));
        estimate.level_ends(Level::Concurrency(1), s(10));
        // 6 for the other level of a, 4 + 6 for b
        let left = estimate.left(s(10)).unwrap();
        assert_eq!((left.time, left.is_sure), (s(16), false));
        assert_eq!(left.words(), "roughly 16 seconds left");
    }

    #[test]
    fn a_run_that_takes_longer_than_estimated_has_no_zero_seconds_left() {
        let mut estimate = after_the_first_repeat();
        estimate.level_begins(s(40));
        estimate.level_ends(Level::Concurrency(1), s(50));
        // the last level is to take 20
        estimate.level_begins(s(50));
        assert_eq!(estimate.left(s(90)).unwrap().words(), "nearly done");
    }

    #[test]
    fn a_backend_that_failed_takes_no_more_time() {
        let mut estimate = after_the_first_repeat();
        estimate.start_failed("a", Some(1), s(40));
        assert_eq!(estimate.left(s(41)), None);
        assert_eq!(estimate.remaining_levels(), 0);
        let mut given_up = Estimate::default();
        given_up.begin(vec![stage("a", 0, &[1]), stage("a", 1, &[1])], s(0));
        given_up.start_failed("a", None, s(5));
        assert_eq!(given_up.remaining_levels(), 0);
    }
}
