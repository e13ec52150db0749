//! `compare`: several runs side by side.

use std::fs;
use std::path::{Path, PathBuf};

use inferbench_engine::derive::compare as compare_folders;
use inferbench_engine::store::{RunFolder, StoreError};
use inferbench_model::report::Report;
use inferbench_model::report::runs::{GateRule, RunsOptions};

use super::derived;
use super::inputs::warn_of_altered;
use super::output::{look, print_json, width};
use crate::args::{CompareArgs, OutputArgs};
use crate::exit::{CliError, Code, CompareCommandError};
use crate::table::render_table;

pub(super) fn compare(args: &CompareArgs, output: OutputArgs) -> Result<Code, CliError> {
    let folders = named(&args.runs)?;
    let options = RunsOptions {
        baseline: baseline(args, &folders)?,
        force: args.force,
        gate: args.fail_on_regression.map(|limit| GateRule {
            limit,
            metrics: args.metric.clone(),
        }),
    };
    if let Some(folder) = &args.output
        && folder.join("run.json").exists()
    {
        return Err(CompareCommandError::IntoRun(folder.display().to_string()).into());
    }
    let report = compare_folders(&folders, &options).map_err(CompareCommandError::Runs)?;
    for (_, folder) in &folders {
        warn_of_altered(folder)?;
    }
    if let Some(folder) = &args.output {
        write(&report, folder)?;
    }
    if output.json {
        print_json(&report)?;
    } else {
        println!("{}", render_table(&report, look(), width()));
        if let Some(folder) = &args.output {
            println!("page: {}", folder.join("report.html").display());
        }
    }
    let gate = report.runs.and_then(|runs| runs.gate);
    Ok(match gate {
        Some(gate) if !gate.met => Code::GateNotMet,
        Some(gate) if args.require_decision && !gate.is_decided() => Code::Undecided,
        _ => Code::Done,
    })
}

/// Writes every file that follows from the report.
fn write(report: &Report, folder: &Path) -> Result<(), CliError> {
    fs::create_dir_all(folder).map_err(|source| StoreError {
        path: folder.to_owned(),
        action: "cannot be made",
        source,
    })?;
    let place = RunFolder::open(folder);
    for (name, fill) in derived::of_report(report)? {
        place.write_with(name, fill)?;
    }
    Ok(())
}

/// Name and folder of each run. Without `NAME=` the name is the shortest end of
/// its path that no other run has.
fn named(runs: &[String]) -> Result<Vec<(String, PathBuf)>, CompareCommandError> {
    let given: Vec<(Option<String>, PathBuf)> =
        runs.iter().map(|run| name_and_folder(run)).collect();
    let full: Vec<PathBuf> = given
        .iter()
        .map(|(_, folder)| fs::canonicalize(folder).unwrap_or_else(|_| folder.clone()))
        .collect();
    let named = given.into_iter().enumerate().map(|(at, (name, folder))| {
        let name = name.unwrap_or_else(|| shortest_unique_end(&full, at));
        (name, folder)
    });
    let named: Vec<(String, PathBuf)> = named.collect();
    for (at, (name, _)) in named.iter().enumerate() {
        let is_same = |other: &usize| named[*other].0 == *name && full[*other] != full[at];
        if (0..at).any(|other| is_same(&other)) {
            return Err(CompareCommandError::SameName(name.clone()));
        }
    }
    Ok(named)
}

fn name_and_folder(run: &str) -> (Option<String>, PathBuf) {
    match run.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !Path::new(run).exists() => {
            (Some(name.to_owned()), PathBuf::from(folder))
        }
        _ => (None, PathBuf::from(run)),
    }
}

fn shortest_unique_end(folders: &[PathBuf], at: usize) -> String {
    let last = |folder: &Path, parts: usize| {
        let all: Vec<String> = folder
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let most = folders[at].components().count().max(1);
    let is_unique = |parts: &usize| {
        let own = last(&folders[at], *parts);
        let mut others = folders.iter().filter(|other| **other != folders[at]);
        others.all(|other| last(other, *parts) != own)
    };
    let parts = (1..=most).find(is_unique).unwrap_or(most);
    last(&folders[at], parts)
}

/// Index of the baseline: the run of that name or folder; the first by default.
fn baseline(
    args: &CompareArgs,
    folders: &[(String, PathBuf)],
) -> Result<usize, CompareCommandError> {
    let Some(asked) = &args.baseline else {
        return Ok(0);
    };
    let full = |folder: &Path| fs::canonicalize(folder).ok();
    let there = full(Path::new(asked));
    let is_it = |(name, folder): &(String, PathBuf)| {
        name == asked || (there.is_some() && full(folder) == there)
    };
    let found = folders.iter().position(is_it);
    found.ok_or_else(|| CompareCommandError::NoBaseline {
        name: asked.clone(),
        known: folders.iter().map(|(name, _)| name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_by_the_shortest_unique_end_of_their_path() {
        let runs = [
            "/x/main/chat-1",
            "/x/new/chat-1",
            "/x/new/chat-2",
            "mine=/y",
        ];
        let named = named(&runs.map(str::to_owned)).unwrap();
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["main/chat-1", "new/chat-1", "chat-2", "mine"]);
        assert_eq!(named[3].1, Path::new("/y"));
    }

    #[test]
    fn a_name_given_to_two_runs_is_refused() {
        let runs = ["a=/x", "a=/y"].map(str::to_owned);
        let error = named(&runs).unwrap_err();
        assert!(error.to_string().starts_with("two runs have the name `a`"));
    }
}
