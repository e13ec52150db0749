//! The tuning of backends that have a `sweep`: which of their points is best, found
//! without measuring every one of them in full.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BackendConfig, Config, LoadConfig, SearchSlo};
use crate::text::units::DurationText;

/// Looks for the best point of each sweep: a short look at each, more at the better half,
/// the last few in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TuneConfig {
    /// What is best.
    pub objective: Objective,
    /// What must hold for a level to count; absent: every level counts. A search for the
    /// capacity has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SearchSlo>,
    /// Points of a sweep that are measured in full, in every repeat.
    #[serde(default = "default_finalists")]
    #[schemars(range(min = 2, max = 10))]
    pub finalists: u32,
    /// Longest time of the whole run, starts included; half of it may go into looks. The
    /// start under way is brought to its end. Without it nothing is cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<DurationText>,
}

/// What a tuning makes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Output tokens per second at the level that has most of them and keeps the SLO.
    Throughput,
    /// The largest load that keeps the SLO, as `load.search` finds it.
    Capacity,
    /// Output tokens per joule of the GPUs at the level that has most of them and keeps
    /// the SLO.
    TokensPerJoule,
}

impl Objective {
    /// The metric of a cell that is made large; `None` for what only a search finds.
    #[must_use]
    pub fn metric(self) -> Option<&'static str> {
        match self {
            Self::Throughput => Some("output_token_throughput"),
            Self::Capacity => None,
            Self::TokensPerJoule => Some("gpu_output_tokens_per_s_per_watt"),
        }
    }
}

fn default_finalists() -> u32 {
    3
}

/// Rounds of looks at most: with more of them starts would cost more than looks save.
const MOST_LOOKS: u32 = 3;
/// Requests that a look measures at least, unless a full measurement has fewer.
const FEWEST_REQUESTS: u64 = 30;

/// The points of one sweep, or a backend without one.
#[derive(Debug, Clone, PartialEq)]
pub struct Entrants {
    /// Label of the swept backend.
    pub label: String,
    /// Places of the points among the backends of the config.
    pub points: Vec<usize>,
    finalists: usize,
}

impl Entrants {
    /// Rounds of looks before the points are few enough: each keeps half of them, or less
    /// where three rounds would not do.
    #[must_use]
    pub fn looks(&self) -> u32 {
        if self.points.len() <= self.finalists {
            return 0;
        }
        let halvings = (self.points.len() as f64 / self.finalists as f64).log2();
        (halvings.ceil() as u32).clamp(1, MOST_LOOKS)
    }

    /// Points that are in this round, from 0; after the looks come the finals.
    #[must_use]
    pub fn kept(&self, round: u32) -> usize {
        let (all, looks) = (self.points.len(), self.looks());
        if round >= looks {
            return all.min(self.finalists);
        }
        let share = self.finalists as f64 / all as f64;
        let kept = all as f64 * share.powf(f64::from(round) / f64::from(looks));
        // A product that is whole but for its last digit is meant whole.
        (kept - 1e-9).ceil() as usize
    }
}

impl Entrants {
    /// Points that are in a block of a run with so many blocks of looks: rounds end with
    /// the last of those.
    #[must_use]
    pub fn kept_in(&self, block: u32, looks: u32) -> usize {
        let round = (block + self.looks()).checked_sub(looks);
        round.map_or(0, |round| self.kept(round))
    }
}

impl Config {
    /// The sweeps and single backends of a tuning, in the order of the config; empty
    /// without one.
    #[must_use]
    pub fn entrants(&self) -> Vec<Entrants> {
        let Some(tune) = &self.tune else {
            return Vec::new();
        };
        let mut all: Vec<Entrants> = Vec::new();
        for (place, backend) in self.backends.iter().enumerate() {
            let label = entrant(backend);
            match all.iter_mut().find(|own| own.label == label) {
                Some(own) => own.points.push(place),
                None => all.push(Entrants {
                    label: label.to_owned(),
                    points: vec![place],
                    finalists: tune.finalists as usize,
                }),
            }
        }
        all
    }

    /// Blocks that are looks; the others, as many as `repeats`, are measured in full.
    #[must_use]
    pub fn look_blocks(&self) -> u32 {
        let looks = self.entrants().into_iter().map(|entrants| entrants.looks());
        looks.max().unwrap_or(0)
    }

    /// All blocks: looks and repeats.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.look_blocks() + self.repeats
    }

    /// Starts that each block of a tuning has, if none fails.
    #[must_use]
    pub fn starts_in_blocks(&self) -> Vec<usize> {
        let (all, looks) = (self.entrants(), self.look_blocks());
        let in_block = |block: u32| {
            let each = all.iter().map(|own| own.kept_in(block, looks));
            each.sum()
        };
        (0..self.blocks()).map(in_block).collect()
    }

    /// The load of a block: all of it, or in a look a part. The last look has half of the
    /// requests, the one before it a quarter.
    #[must_use]
    pub fn load_in(&self, block: u32) -> Cow<'_, LoadConfig> {
        let before_finals = self.look_blocks().saturating_sub(block);
        if before_finals == 0 {
            return Cow::Borrowed(&self.load);
        }
        let share = 0.5_f64.powi(before_finals as i32);
        let promised = self.slo_of_cells().map_or(0, SearchSlo::fewest_requests);
        let least = FEWEST_REQUESTS.max(promised);
        Cow::Owned(self.load.shortened(share, least))
    }

    /// What of a cell decides what comes next: what a tuning makes large, or for a search
    /// for the bend its throughput.
    #[must_use]
    pub fn objective_of_cells(&self) -> Option<Objective> {
        let bends = self
            .load
            .search
            .as_ref()
            .filter(|search| !search.finds_capacity());
        let tuned = self.tune.as_ref().map(|tune| tune.objective);
        tuned.or_else(|| bends.map(|_| Objective::Throughput))
    }

    /// The promise that every cell is held against, of a search or of a tuning.
    #[must_use]
    pub fn slo_of_cells(&self) -> Option<&SearchSlo> {
        let searched = self
            .load
            .search
            .as_ref()
            .filter(|search| search.finds_capacity());
        let searched = searched.map(|search| &search.slo);
        searched.or_else(|| self.tune.as_ref()?.slo.as_ref())
    }
}

/// Label of the sweep that a backend is a point of, or its own.
fn entrant(backend: &BackendConfig) -> &str {
    match &backend.point {
        Some(point) => &point.of,
        None => backend.label(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrants(points: usize, finalists: usize) -> Entrants {
        Entrants {
            label: "a".to_owned(),
            points: (0..points).collect(),
            finalists,
        }
    }

    fn rounds(points: usize, finalists: usize) -> Vec<usize> {
        let all = entrants(points, finalists);
        (0..=all.looks()).map(|round| all.kept(round)).collect()
    }

    #[test]
    fn every_round_keeps_the_better_half() {
        assert_eq!(rounds(24, 3), [24, 12, 6, 3]);
        assert_eq!(rounds(12, 3), [12, 6, 3]);
        assert_eq!(rounds(4, 3), [4, 3]);
        // Fewer than half where three rounds would not do: 100 * 0.03^(1/3) is 31.07.
        assert_eq!(rounds(100, 3), [100, 32, 10, 3]);
    }

    #[test]
    fn so_few_points_that_all_are_measured_in_full_have_no_looks() {
        assert_eq!(rounds(3, 3), [3]);
        assert_eq!(rounds(1, 3), [1]);
    }
}
