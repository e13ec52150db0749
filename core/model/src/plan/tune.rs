//! Which point of a sweep a tuning starts next (successive halving: Jamieson and Talwalkar,
//! AISTATS 2016): every point has a short look, the better half a longer one, and the last
//! few are measured in full in every repeat. Every decision follows from the starts before
//! it, so that a run can go on where it was cut off, and an auditor can make each decision
//! again.

use super::Stage;
use crate::config::{Config, Entrants};

/// Share of the budget that looks may take: the rest is for what is measured in full.
const LOOKS_SHARE: f64 = 0.5;

/// One start of a point that has come to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Place of the point among the backends of the config.
    pub backend: usize,
    /// Its block.
    pub block: u32,
    /// What was found.
    pub found: Found,
    /// How long it took, start included, s.
    pub seconds: f64,
}

/// What a start has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// The objective has this value, above 0.
    Value(f64),
    /// It has none: nothing that was measured keeps the promise, or it is not known.
    Nothing,
    /// It did not start or did not last, and nothing was measured.
    NotStarted,
}

impl Found {
    /// The value, if there is one.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::NotStarted => None,
        }
    }
}

/// What a tuning does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuneStep {
    /// The stage at this place of the plan.
    Start(usize),
    /// Every point that is in the race was measured.
    Done,
    /// The budget is spent.
    OutOfTime,
}

/// A tuning as far as it has come.
#[derive(Debug)]
pub struct Race<'a> {
    config: &'a Config,
    entrants: Vec<Entrants>,
    looks: u32,
    starts: &'a [Start],
}

impl<'a> Race<'a> {
    /// The race of a config that has a tuning, after these starts.
    #[must_use]
    pub fn new(config: &'a Config, starts: &'a [Start]) -> Self {
        Self {
            config,
            entrants: config.entrants(),
            looks: config.look_blocks(),
            starts,
        }
    }

    /// What comes next; `stages`: those of the plan.
    #[must_use]
    pub fn next(&self, stages: &[Stage]) -> TuneStep {
        let mut of_block: (Option<u32>, Vec<usize>) = (None, Vec::new());
        for (place, stage) in stages.iter().enumerate() {
            let (backend, block) = (stage.backend_index, stage.block);
            if of_block.0 != Some(block) {
                of_block = (Some(block), self.open_in(block));
            }
            if !of_block.1.contains(&backend) {
                continue;
            }
            match (self.has_time(block), block < self.looks) {
                (true, _) => return TuneStep::Start(place),
                // What is known by now decides who is measured in full.
                (false, true) => {}
                (false, false) => return TuneStep::OutOfTime,
            }
        }
        TuneStep::Done
    }

    /// The points of these entrants that are in a block, best first where looks have told.
    #[must_use]
    pub fn points_in(&self, entrants: &Entrants, block: u32) -> Vec<usize> {
        let first = self.looks - entrants.looks();
        let Some(rounds) = block.checked_sub(first) else {
            return Vec::new();
        };
        let mut points = entrants.points.clone();
        for round in 1..=rounds.min(entrants.looks()) {
            let mut known: Vec<(usize, f64)> = points
                .iter()
                .filter_map(|point| Some((*point, self.value_before(*point, first + round)?)))
                .collect();
            known.sort_by(|a, b| b.1.total_cmp(&a.1));
            points = known.into_iter().map(|(point, _)| point).collect();
            points.truncate(entrants.kept(round));
        }
        points
    }

    /// What the looks before a block have shown of a point: the mean of their logs, the
    /// longer looks weighing more. `None` without a look, or if one has found nothing.
    #[must_use]
    pub fn value_before(&self, backend: usize, block: u32) -> Option<f64> {
        let own = self
            .starts
            .iter()
            .filter(|start| start.backend == backend && start.block < block.min(self.looks));
        let (mut sum, mut weights) = (0.0, 0.0);
        for start in own {
            let weight = 0.5_f64.powi((self.looks - start.block) as i32);
            sum += weight * start.found.value()?.ln();
            weights += weight;
        }
        (weights > 0.0).then(|| (sum / weights).exp())
    }

    /// The points that are in a block and were not started in it.
    fn open_in(&self, block: u32) -> Vec<usize> {
        // What kept it from one start would keep it from every other one.
        let is_over = |point: &usize| {
            let mut own = self.starts.iter().filter(|start| start.backend == *point);
            own.any(|start| {
                start.block == block || (start.block < block && start.found == Found::NotStarted)
            })
        };
        let points = self.entrants.iter();
        let points = points.flat_map(|entrants| self.points_in(entrants, block));
        points.filter(|point| !is_over(point)).collect()
    }

    /// Whether the budget has room for another start of this block, if it takes as long as
    /// the longest one so far.
    fn has_time(&self, block: u32) -> bool {
        let Some(budget) = self.config.tune.as_ref().and_then(|tune| tune.budget) else {
            return true;
        };
        let share = if block < self.looks { LOOKS_SHARE } else { 1.0 };
        let seconds = || self.starts.iter().map(|start| start.seconds);
        let (spent_s, longest_s) = (seconds().sum::<f64>(), seconds().fold(0.0, f64::max));
        // The first start of a run is made in any case.
        self.starts.is_empty() || spent_s + longest_s <= share * budget.as_s()
    }
}
