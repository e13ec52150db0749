//! Cells that the manifest counts as measured and that did not come to the end of their
//! plan.

use inferbench_model::config::Config;
use inferbench_model::facts::cell_end::CellPlan;
use inferbench_model::facts::manifest::{ExitState, Manifest};
use inferbench_model::facts::warning::{Warning, WarningKind};

use super::cells::Cell;

/// Warns of them. A run that says it is done is not. `cells`: those of the manifest come
/// first, in its order.
pub(super) fn note(manifest: &mut Manifest, config: &Config, cells: &[Cell]) {
    // Of a run that was cut off, it is said as a whole.
    let has_ended = matches!(manifest.exit_state, ExitState::Done | ExitState::Incomplete);
    if !has_ended {
        return;
    }
    let facts = manifest.cells.iter().zip(cells);
    let short = facts.filter_map(|(facts, cell)| {
        let load = config.load_in(cell.key.block);
        let plan = CellPlan::from_config(config, &load, &cell.key, None)?;
        let shortfall = cell.recorded.shortfall(plan, facts.end_ns)?;
        let kind = WarningKind::CellCutShort {
            block: cell.key.block,
            lacks: shortfall.to_string(),
        };
        Some(Warning::about(&cell.key.backend, kind).at(vec![cell.key.level]))
    });
    let short: Vec<Warning> = short.collect();
    if !short.is_empty() {
        manifest.exit_state = ExitState::Incomplete;
        manifest.warnings.extend(short);
    }
}
