//! Runs that are not set side by side, and why.

use serde_json::Value;

use super::{MeasuredRun, RunsError, RunsOptions};
use crate::cell::measured::MeasuredCell;
use crate::facts::shard::Partial;
use crate::report::prose::wording::listed;
use crate::text::difference::{Difference, differences};

/// Reasons to refuse the comparison that were overridden, in words.
pub(super) fn check(
    runs: &[MeasuredRun<'_>],
    options: &RunsOptions,
) -> Result<Vec<String>, RunsError> {
    if runs.len() < 2 {
        return Err(RunsError::TooFew(runs.len()));
    }
    for (at, run) in runs.iter().enumerate() {
        let has_any = |cell: &MeasuredCell<'_>| cell.row.counts.ok + cell.row.counts.failed > 0;
        if !run.cells.iter().any(has_any) {
            return Err(RunsError::NothingMeasured(run.label.clone()));
        }
        let start = |run: &MeasuredRun<'_>| run.manifest.anchors.first().map(|a| a.utc.clone());
        let mut earlier = runs[..at].iter();
        if let Some(same) = earlier.find(|other| other.manifest == run.manifest) {
            return Err(RunsError::Same {
                a: same.label.clone(),
                b: run.label.clone(),
                start: start(run).unwrap_or_else(|| "an unknown time".to_owned()),
            });
        }
    }
    let baseline = &runs[options.baseline];
    let others = runs.iter().enumerate();
    let others = others.filter(|(at, _)| *at != options.baseline);
    let work = others.flat_map(|(_, run)| other_work(baseline, run));
    let found: Vec<String> = runs.iter().flat_map(not_whole).chain(work).collect();
    if found.is_empty() || options.force {
        Ok(found)
    } else {
        Err(RunsError::OtherWork(found))
    }
}

/// What of a run's shards forbids that it is held against another.
fn not_whole(run: &MeasuredRun<'_>) -> Vec<String> {
    let Some(merged) = &run.manifest.merged else {
        return Vec::new();
    };
    let label = &run.label;
    let partial = merged.partial().map(|partial| {
        let Partial { merged, count } = partial;
        format!("{label} was made by {merged} of {count} shards, with a part of its load")
    });
    let shards = merged
        .changed
        .iter()
        .map(|changed| changed.shard.to_string());
    let shards: Vec<String> = shards.collect();
    let changed = (!shards.is_empty()).then(|| {
        let shards = listed(&shards);
        format!("{label} has shards that were changed after their run ({shards})")
    });
    partial.into_iter().chain(changed).collect()
}

/// What of model and workload is not the same, with both values.
fn other_work(was: &MeasuredRun<'_>, is: &MeasuredRun<'_>) -> Vec<String> {
    let value_of = |run: &MeasuredRun<'_>, key: &str| {
        let value = run.manifest.config.get(key);
        serde_json::json!({ key: value })
    };
    let mut found = differences(&value_of(was, "model"), &value_of(is, "model"));
    found.retain(|difference| difference.path == "model.id");
    found.extend(differences(
        &value_of(was, "workload"),
        &value_of(is, "workload"),
    ));
    let prompts = |run: &MeasuredRun<'_>| run.manifest.workload_sha256.clone().map(Value::String);
    let (a, b) = (prompts(was), prompts(is));
    let known = a.is_some() && b.is_some();
    if known && a == b {
        // The prompts themselves are the same, wherever they came from.
        found.retain(|difference| difference.path != "workload.file");
    } else if known && !found.iter().any(is_of_workload) {
        found.push(Difference {
            path: "SHA-256 of the prompts".to_owned(),
            was: a,
            is: b,
        });
    }
    let words = |difference: Difference| {
        let text = |value: Option<Value>| value.map_or("not set".to_owned(), |v| v.to_string());
        format!(
            "{} is {} in {} and {} in {}",
            difference.path,
            text(difference.was),
            was.label,
            text(difference.is),
            is.label
        )
    };
    found.into_iter().map(words).collect()
}

fn is_of_workload(difference: &Difference) -> bool {
    difference.path.starts_with("workload")
}
