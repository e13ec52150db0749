//! A run that is one shard of several: when its cells begin, and what is recorded of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inferbench_model::facts::exchange::hex;
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::shard::{CellStart, ClockFacts, ShardFacts, clock_step_ms, late_ms};
use inferbench_model::plan::shard::Shard;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::rendezvous::Rendezvous;
use crate::load::gate::{Gate, NotStarted};
use crate::os::{clock, clock_state};
use crate::prepare::{ShardPlan, StartTogether};

/// The shard that this run is.
#[derive(Debug)]
pub(crate) struct ShardRun {
    shard: Shard,
    clock: ClockFacts,
    start: Start,
    /// Cells that have begun.
    cells: u32,
    /// The gate of the last of them.
    gate: Option<Arc<ShardGate>>,
}

#[derive(Debug, Clone)]
enum Start {
    At(u64),
    Meet(Rendezvous),
}

/// The start of one cell.
#[derive(Debug)]
pub(crate) struct ShardGate {
    start: Start,
    clock: ClockFacts,
    cell: u32,
    /// The agreed start, ns since 1970; 0 before it is known.
    agreed_ns: AtomicU64,
}

impl Gate for ShardGate {
    fn start_ns(&self, cancel: &CancellationToken) -> Result<u64, NotStarted> {
        let wall_ns = match &self.start {
            Start::At(wall_ns) => *wall_ns,
            Start::Meet(rendezvous) => rendezvous.start(self.cell, cancel)?,
        };
        // A start is a moment of the wall clock as it was. What is set later is for `merge`.
        if self.cell == 0 {
            must_not_be_set(&self.clock, clock::same_moment())?;
        }
        self.agreed_ns.store(wall_ns, Ordering::Relaxed);
        Ok(self.clock.monotonic_at(wall_ns).unwrap_or(0))
    }
}

impl ShardRun {
    /// Takes its place: reads the clocks, once, and comes to where the others are. `run`:
    /// the manifest that it will have.
    ///
    /// # Errors
    /// If the start is over, or the folder of the rendezvous cannot be used.
    pub(super) fn begin(
        plan: &ShardPlan,
        run: &Manifest,
        cancel: &CancellationToken,
    ) -> Result<Self, NotStarted> {
        let clock = clock_state::read();
        let start = match &plan.start {
            StartTogether::At { wall_ns } => {
                if let Some(late_ns) = clock.wall_ns.checked_sub(*wall_ns) {
                    return Err(NotStarted::Passed { late_ns });
                }
                Start::At(*wall_ns)
            }
            StartTogether::Rendezvous { folder, limit } => Start::Meet(Rendezvous::enter(
                folder,
                plan.shard,
                &common_sha256(run),
                *limit,
                cancel,
            )?),
        };
        Ok(Self {
            shard: plan.shard,
            clock,
            start,
            cells: 0,
            gate: None,
        })
    }

    /// What is recorded of it before its first cell.
    pub(super) fn facts(&self) -> ShardFacts {
        ShardFacts {
            shard: self.shard,
            clock: self.clock.clone(),
            starts: Vec::new(),
        }
    }

    pub(super) fn shard(&self) -> Shard {
        self.shard
    }

    /// The gate of the next cell.
    pub(super) fn next_gate(&mut self) -> Arc<ShardGate> {
        let gate = Arc::new(ShardGate {
            start: self.start.clone(),
            clock: self.clock.clone(),
            cell: self.cells,
            agreed_ns: AtomicU64::new(0),
        });
        self.cells += 1;
        self.gate = Some(Arc::clone(&gate));
        gate
    }

    /// The start of the cell that has just ended here. `first_send_ns`: when its first
    /// request was sent, and when it was planned.
    pub(super) fn cell_start(
        &self,
        key: &CellKey,
        first_send_ns: Option<(u64, Option<u64>)>,
    ) -> Option<CellStart> {
        let agreed_ns = self.gate.as_ref()?.agreed_ns.load(Ordering::Relaxed);
        let start_ns = self
            .clock
            .monotonic_at(agreed_ns)
            .filter(|_| agreed_ns > 0)?;
        Some(CellStart {
            key: key.clone(),
            start_at_ns: agreed_ns,
            first_send_late_ms: first_send_ns
                .map(|(sent_ns, planned_ns)| late_ms(planned_ns.unwrap_or(start_ns), sent_ns)),
        })
    }

    /// Tells the others that the last cell has ended here.
    ///
    /// # Errors
    /// If they cannot be told.
    pub(super) fn ended(&self, cancel: &CancellationToken) -> Result<(), NotStarted> {
        match (&self.start, self.cells.checked_sub(1)) {
            (Start::Meet(rendezvous), Some(cell)) => rendezvous.ended(cell, cancel),
            _ => Ok(()),
        }
    }

    /// Waits until the last cell has ended everywhere: what comes next would disturb it.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub(super) async fn others_ended(&self, cancel: &CancellationToken) -> Result<(), NotStarted> {
        let (Start::Meet(rendezvous), Some(cell)) = (&self.start, self.cells.checked_sub(1)) else {
            return Ok(());
        };
        let (rendezvous, cancel) = (rendezvous.clone(), cancel.clone());
        let waited = tokio::task::spawn_blocking(move || rendezvous.all_ended(cell, &cancel)).await;
        waited.unwrap_or(Err(NotStarted::Stopped))
    }
}

impl Drop for ShardRun {
    /// Tells the others that this shard goes, however it does.
    fn drop(&mut self) {
        if let Start::Meet(rendezvous) = &self.start {
            rendezvous.leave();
        }
    }
}

/// Refuses to begin by a wall clock that is no longer the one that was read: the machine's
/// shards would begin apart by as much.
///
/// # Errors
/// `ClockSet`.
fn must_not_be_set(read: &ClockFacts, now: (u64, u64)) -> Result<(), NotStarted> {
    let first = (i128::from(read.wall_ns), read.monotonic_ns);
    match clock_step_ms(first, (i128::from(now.0), now.1)) {
        Some(step_ms) => Err(NotStarted::ClockSet { step_ms }),
        None => Ok(()),
    }
}

/// Hash of what all shards of a run have in common before it begins: version, prompts and
/// config, but for the place of its results.
fn common_sha256(run: &Manifest) -> String {
    let mut config = run.config.clone();
    if let Some(config) = config.as_object_mut() {
        config.shift_remove("output");
    }
    let prompts = run.workload_sha256.as_deref().unwrap_or_default();
    let common = format!("{} {prompts} {config}", run.inferbench_version);
    hex(&Sha256::digest(common))
}

/// A time in RFC 3339, ns since 1970; `None` if it is none.
#[must_use]
pub fn wall_ns(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    // What was before 1970 has passed in any case, and what is after 2554 is far ahead.
    let wall_ns = time.as_nanosecond().max(0);
    Some(u64::try_from(wall_ns).unwrap_or(u64::MAX))
}

/// How long until then, if it is to come, ns.
#[must_use]
pub fn ahead_ns(wall_ns: u64) -> Option<u64> {
    wall_ns.checked_sub(clock::realtime_ns())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_is_no_longer_begun_by() {
        let read = ClockFacts {
            wall_ns: 50_000_000_000,
            monotonic_ns: 7_000_000_000,
            ..ClockFacts::default()
        };
        // Ten seconds later, on both and on one.
        let now = |wall_ns| must_not_be_set(&read, (wall_ns, 17_000_000_000));
        assert!(now(60_000_000_000).is_ok());
        for set_ns in [60_137_000_000, 59_863_000_000] {
            let words = now(set_ns).unwrap_err().to_string();
            assert!(words.contains("was set by 137.0 ms"), "{words}");
        }
    }
}
