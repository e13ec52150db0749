//! Several runs made by hand, side by side.

use inferbench_model::cell::fold::{CellDigest, CellFold};
use inferbench_model::cell::measured::MeasuredCell;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::report::Report;
use inferbench_model::report::runs::{MeasuredRun, RunsOptions};

use crate::runs::Run;

/// The report of these runs, called `run 0`, `run 1` and so on.
pub fn several(runs: &[Run]) -> Report {
    let digests: Vec<Vec<CellDigest>> = runs.iter().map(digests).collect();
    let each = runs.iter().zip(&digests).enumerate();
    let measured: Vec<MeasuredRun<'_>> = each
        .map(|(place, (run, digests))| MeasuredRun {
            label: format!("run {place}"),
            manifest: started_at_minute(place, run),
            config: run.config.clone(),
            cells: cells(run, digests),
            kv: None,
            timeline: None,
        })
        .collect();
    Report::build_several(&measured, &RunsOptions::default()).unwrap()
}

/// Runs of one start are taken for the same run.
fn started_at_minute(minute: usize, run: &Run) -> Manifest {
    let mut manifest = run.manifest.clone();
    for anchor in &mut manifest.anchors {
        anchor.utc = format!("2026-11-25T14:{minute:02}:11Z");
    }
    manifest
}

fn digests(run: &Run) -> Vec<CellDigest> {
    let records = run.records.iter();
    let folded = records.map(|records| CellFold::from_records(records, run.config.slos()).digest());
    folded.collect()
}

fn cells<'d>(run: &Run, digests: &'d [CellDigest]) -> Vec<MeasuredCell<'d>> {
    let cells = run.cells.iter().cloned().zip(digests);
    cells
        .map(|(row, digest)| MeasuredCell { row, digest })
        .collect()
}
