//! The manifest of a merged run: that of its first shard, with what the others add.

use std::mem;

use inferbench_model::facts::joined_check::joined;
use inferbench_model::facts::manifest::{CellFacts, ExitState, Manifest};
use inferbench_model::facts::shard::MergedFacts;
use inferbench_model::facts::warning::{Warning, WarningKind};

/// The manifest of a run made from these, each with what is added to its times; there is
/// one at least.
pub(super) fn manifest(shards: &[(&Manifest, i64)], merged: MergedFacts) -> Manifest {
    let mut all = shards[0].0.clone();
    for (other, shift_ns) in &shards[1..] {
        join(&mut all, other, *shift_ns);
    }
    let stepped = merged.shards.iter().filter_map(|shard| {
        Some(WarningKind::ShardClockStepped {
            shard: shard.index,
            step_ms: shard.clock_step_ms?,
        })
    });
    all.warnings.extend(stepped.map(Warning::about_run));
    if let Some(partial) = merged.partial() {
        all.exit_state = ExitState::Incomplete;
        all.cells.iter_mut().for_each(|cell| cell.complete = false);
        all.warnings
            .push(Warning::about_run(WarningKind::ShardsMissing {
                merged: partial.merged,
                count: partial.count,
                missing: merged.missing.clone(),
            }));
    }
    if !merged.changed.is_empty() {
        let changed = merged.changed.clone();
        let kind = WarningKind::ShardsChanged { changed };
        all.warnings.push(Warning::about_run(kind));
    }
    all.shard = None;
    all.merged = Some(merged);
    all.own_sha256 = None;
    all
}

fn join(all: &mut Manifest, other: &Manifest, shift_ns: i64) {
    let moved = |t_ns: u64| t_ns.saturating_add_signed(shift_ns);
    if let (Some(first), Some(others)) = (all.anchors.first_mut(), other.anchors.first())
        && moved(others.monotonic_ns) < first.monotonic_ns
    {
        first.monotonic_ns = moved(others.monotonic_ns);
        first.utc.clone_from(&others.utc);
    }
    if let (Some(last), Some(others)) = (all.anchors.last_mut(), other.anchors.last())
        && moved(others.monotonic_ns) > last.monotonic_ns
    {
        last.monotonic_ns = moved(others.monotonic_ns);
        last.utc.clone_from(&others.utc);
    }
    for warning in &other.warnings {
        if !all.warnings.contains(warning) {
            all.warnings.push(warning.clone());
        }
    }
    for facts in &other.cells {
        let facts = CellFacts {
            start_ns: moved(facts.start_ns),
            end_ns: moved(facts.end_ns),
            ..facts.clone()
        };
        match all.cells.iter_mut().find(|own| own.key == facts.key) {
            Some(own) => join_cell(own, facts),
            None => all.cells.push(facts),
        }
    }
}

fn join_cell(own: &mut CellFacts, other: CellFacts) {
    own.start_ns = own.start_ns.min(other.start_ns);
    own.end_ns = own.end_ns.max(other.end_ns);
    own.complete &= other.complete;
    own.self_check = joined(mem::take(&mut own.self_check), other.self_check);
}
