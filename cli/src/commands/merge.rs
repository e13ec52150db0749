//! `merge`: the shards of a run into one run folder.

use std::path::{Path, PathBuf};

use inferbench_engine::merge::{self, Allowed};
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::facts::shard::MergedFacts;

use super::derived;
use super::output::{look, print_json, width};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::table::render_table;

pub(super) fn merge(
    folders: &[PathBuf],
    run: &Path,
    allowed: Allowed,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let merged = merge::merge(folders, run, allowed)?;
    let derived = derived::write_from(run, Some(merged.first))?;
    for lost in &merged.lost {
        eprintln!("warning: shard {} is lost: {}", lost.index, lost.why);
    }
    for changed in &merged.facts.changed {
        let files = changed.files.join(", ");
        eprintln!(
            "warning: shard {} was changed after its run: {files}",
            changed.shard
        );
    }
    if output.json {
        print_json(&derived.report)?;
    } else {
        println!("{}", render_table(&derived.report, look(), width()));
        clocks(&merged.facts)
            .iter()
            .for_each(|line| println!("{line}"));
        println!("folder: {}", run.display());
        println!("page: {}", run.join("report.html").display());
    }
    Ok(match derived.manifest.exit_state {
        // A shard may say that it is done and lack records all the same.
        ExitState::Done if merged.lost.is_empty() && merged.facts.changed.is_empty() => Code::Done,
        _ => Code::Incomplete,
    })
}

/// What the clocks and starts of the shards allow.
fn clocks(facts: &MergedFacts) -> Vec<String> {
    let shards = facts.shards.len();
    let apart = match facts.clocks_apart_ms() {
        Some(0.0) => "one clock".to_owned(),
        Some(apart_ms) => format!("clocks at most {apart_ms:.1} ms apart"),
        None => "clocks apart by an unknown time".to_owned(),
    };
    let late = facts.latest_start_ms();
    let late = late.map_or_else(String::new, |late_ms| {
        format!(", first requests at most {late_ms:.1} ms late")
    });
    vec![format!(
        "shards: {shards} of {}, {apart}{late}",
        facts.count
    )]
}
