//! What a run records of being one of several shards, and what is known of the shards
//! that a run was merged from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changed_shard::ChangedShard;
use super::exit_state::ExitState;
use super::key::CellKey;
use crate::plan::shard::Shard;
use crate::text::units::NS_PER_MS;

/// Which shard a run is, its clock, and when its cells began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardFacts {
    /// Its place and their number.
    #[serde(flatten)]
    pub shard: Shard,
    /// The clocks of its machine.
    pub clock: ClockFacts,
    /// The common start of each cell.
    #[serde(default)]
    pub starts: Vec<CellStart>,
}

/// The clocks of a machine: one moment on both, and how far its wall clock may be off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockFacts {
    /// Wall clock, ns since 1970.
    pub wall_ns: u64,
    /// The monotonic clock at the same moment, ns.
    pub monotonic_ns: u64,
    /// The kernel's id of this start of the machine: equal ones share both clocks.
    pub boot_id: Option<String>,
    /// The kernel takes its wall clock for synchronised; absent if it does not say.
    pub synchronised: Option<bool>,
    /// Largest error of the wall clock by the kernel's estimate, ms.
    pub bound_ms: Option<f64>,
}

impl ClockFacts {
    /// Wall clock minus monotonic clock, ns.
    fn offset_ns(&self) -> i128 {
        i128::from(self.wall_ns) - i128::from(self.monotonic_ns)
    }

    /// What a monotonic time here is on the monotonic clock of `other`, less that time,
    /// ns, as their wall clocks have it.
    #[must_use]
    pub fn shift_to_ns(&self, other: &Self) -> i64 {
        let shift_ns = self.offset_ns() - other.offset_ns();
        i64::try_from(shift_ns).unwrap_or(if shift_ns > 0 { i64::MAX } else { i64::MIN })
    }

    /// A moment of the wall clock, ns since 1970, on the monotonic clock; `None` before
    /// its beginning.
    #[must_use]
    pub fn monotonic_at(&self, wall_ns: u64) -> Option<u64> {
        u64::try_from(i128::from(wall_ns) - self.offset_ns()).ok()
    }

    /// A moment of the monotonic clock on the wall clock, ns since 1970.
    #[must_use]
    pub fn wall_at(&self, monotonic_ns: u64) -> u64 {
        u64::try_from(i128::from(monotonic_ns) + self.offset_ns()).unwrap_or(0)
    }
}

/// When a cell began in all shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellStart {
    /// The cell.
    #[serde(flatten)]
    pub key: CellKey,
    /// The common start, ns since 1970.
    pub start_at_ns: u64,
    /// How much later than planned the first request of this shard was sent, ms; absent
    /// if none was.
    pub first_send_late_ms: Option<f64>,
}

/// What a merged run was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergedFacts {
    /// Shards that the load was shared out among.
    pub count: u32,
    /// Those that were merged, by their index.
    pub shards: Vec<MergedShard>,
    /// Those that were not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u32>,
    /// Those whose facts were changed after their run, and were merged all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedShard>,
}

/// A run of which shards are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partial {
    /// Shards that were merged.
    pub merged: u32,
    /// Shards that the load was shared out among.
    pub count: u32,
}

/// One of the shards that a run was merged from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergedShard {
    /// Its place, from 0.
    pub index: u32,
    /// Name of its host.
    pub hostname: Option<String>,
    /// The clocks of its machine.
    pub clock: ClockFacts,
    /// What was added to its times, ns.
    pub shift_ns: i64,
    /// By how much its wall clock was set while it ran, ms: what is beyond the most that a
    /// clock is slewed by. Absent if it was not, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_ms: Option<f64>,
    /// Its records.
    pub requests: u64,
    /// SHA-256 of its `run.json`, hex.
    pub run_sha256: String,
    /// How it ended.
    pub exit_state: ExitState,
    /// The start of each cell.
    pub starts: Vec<CellStart>,
}

impl MergedShard {
    /// How far the wall clock of its machine may have been off, ms: before a step or after
    /// it, which is not known.
    fn clock_off_ms(&self) -> Option<f64> {
        let bound_ms = self.clock.bound_ms.filter(|bound_ms| *bound_ms >= 0.0)?;
        Some(bound_ms + self.clock_step_ms.unwrap_or(0.0))
    }
}

/// Most that a wall clock is slewed by, as a share of the time: what is more is a step.
const MOST_SLEW: f64 = 500e-6;
/// Least that is taken for a step, ms: two readings of two clocks are less apart.
const LEAST_STEP_MS: f64 = 5.0;

/// By how much a wall clock was set between two moments, ms; `None` if it was not. Each
/// moment: ns since 1970, and the monotonic clock.
#[must_use]
pub fn clock_step_ms(first: (i128, u64), last: (i128, u64)) -> Option<f64> {
    let wall_ns = last.0 - first.0;
    let monotonic_ns = i128::from(last.1) - i128::from(first.1);
    let off_ms = (wall_ns - monotonic_ns).unsigned_abs() as f64 / NS_PER_MS;
    let slewed_ms = monotonic_ns.unsigned_abs() as f64 / NS_PER_MS * MOST_SLEW;
    (off_ms > slewed_ms + LEAST_STEP_MS).then_some(off_ms)
}

impl MergedFacts {
    /// How much of the whole it is; `None` if no shard is missing.
    #[must_use]
    pub fn partial(&self) -> Option<Partial> {
        (!self.missing.is_empty()).then(|| Partial {
            merged: self.count.saturating_sub(self.missing.len() as u32),
            count: self.count,
        })
    }

    /// How far the clocks of two shards may be apart, ms; `None` if a shard's is not
    /// known. Shards on one machine share a clock.
    #[must_use]
    pub fn clocks_apart_ms(&self) -> Option<f64> {
        let hosts = self.machines();
        if hosts.len() < 2 {
            return Some(0.0);
        }
        let bounds: Option<Vec<f64>> = hosts.into_iter().map(|(_, bound_ms)| bound_ms).collect();
        let mut bounds = bounds?;
        bounds.sort_by(|a, b| b.total_cmp(a));
        Some(bounds[0] + bounds[1])
    }

    /// The machines that the shards ran on, each with how far its clock may be off, ms; one
    /// whose identity is not known counts for itself.
    #[must_use]
    pub fn machines(&self) -> Vec<(&str, Option<f64>)> {
        let mut hosts: Vec<(&str, Option<f64>)> = Vec::new();
        for shard in &self.shards {
            let bound_ms = shard.clock_off_ms();
            let Some(id) = shard.clock.boot_id.as_deref() else {
                hosts.push(("", bound_ms));
                continue;
            };
            match hosts.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known_ms)) => *known_ms = later(*known_ms, bound_ms),
                None => hosts.push((id, bound_ms)),
            }
        }
        hosts
    }

    /// The latest first request of any shard in any cell, ms.
    #[must_use]
    pub fn latest_start_ms(&self) -> Option<f64> {
        let starts = self.shards.iter().flat_map(|shard| &shard.starts);
        starts
            .filter_map(|start| start.first_send_late_ms)
            .reduce(f64::max)
    }
}

/// The larger of two bounds of one machine; unknown if one is.
fn later(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.zip(other).map(|(one, other)| one.max(other))
}

/// Time from `planned_ns` to `sent_ns`, ms.
#[must_use]
pub fn late_ms(planned_ns: u64, sent_ns: u64) -> f64 {
    (sent_ns as f64 - planned_ns as f64) / NS_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(boot_id: Option<&str>, bound_ms: Option<f64>) -> ClockFacts {
        ClockFacts {
            boot_id: boot_id.map(str::to_owned),
            bound_ms,
            ..ClockFacts::default()
        }
    }

    fn apart_ms(clocks: Vec<ClockFacts>) -> Option<f64> {
        let shards = (0..).zip(clocks).map(|(index, clock)| MergedShard {
            index,
            hostname: None,
            clock,
            shift_ns: 0,
            clock_step_ms: None,
            requests: 0,
            run_sha256: String::new(),
            exit_state: ExitState::Done,
            starts: Vec::new(),
        });
        let shards: Vec<MergedShard> = shards.collect();
        let merged = MergedFacts {
            count: shards.len() as u32,
            shards,
            missing: Vec::new(),
            changed: Vec::new(),
        };
        merged.clocks_apart_ms()
    }

    #[test]
    fn a_time_moves_by_what_the_clocks_differ() {
        // Wall minus monotonic is 900 here and 400 there: 500 to add.
        let here = ClockFacts {
            wall_ns: 1000,
            monotonic_ns: 100,
            ..ClockFacts::default()
        };
        let there = ClockFacts {
            wall_ns: 1100,
            monotonic_ns: 700,
            ..ClockFacts::default()
        };
        assert_eq!(here.shift_to_ns(&there), 500);
        assert_eq!(there.shift_to_ns(&here), -500);
        assert_eq!(here.monotonic_at(1200), Some(300));
        assert_eq!(here.monotonic_at(899), None);
        assert_eq!(here.wall_at(300), 1200);
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_was_slewed() {
        const S: i128 = 1_000_000_000;
        let after_100_s =
            |wall_ns: i128| clock_step_ms((7 * S, 3_000_000_000), (wall_ns, 103_000_000_000));
        assert_eq!(after_100_s(107 * S), None);
        // 500 ppm of 100 s are 50 ms; 5 more are within two readings.
        assert_eq!(after_100_s(107 * S + 54_000_000), None);
        assert_eq!(after_100_s(107 * S + 137_000_000), Some(137.0));
        assert_eq!(after_100_s(106 * S), Some(1000.0));
    }

    #[test]
    fn clocks_are_apart_by_the_two_largest_bounds_of_different_machines() {
        let two = vec![clock(Some("a"), Some(3.0)), clock(Some("b"), Some(5.0))];
        assert_eq!(apart_ms(two), Some(8.0));
        let same = vec![clock(Some("a"), Some(3.0)), clock(Some("a"), Some(3.0))];
        assert_eq!(apart_ms(same), Some(0.0));
        let unknown = vec![clock(Some("a"), Some(3.0)), clock(Some("b"), None)];
        assert_eq!(apart_ms(unknown), None);
        let no_ids = vec![clock(None, Some(1.0)), clock(None, Some(2.0))];
        assert_eq!(apart_ms(no_ids), Some(3.0));
    }
}
