//! `compare`: runs side by side, what is refused, and what fails a build.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Said, inferbench, run_folder, said};
use serde_json::Value;

/// A run of one simulated backend whose tokens come every `itl_ms`.
fn run_of(folder: &Path, name: &str, itl_ms: u32, more: &str) -> PathBuf {
    let config = folder.join(format!("{name}.yaml"));
    let text = format!(
        "name: {name}
model: {{ id: no-model }}
backends:
  - {{ label: sim, plugin: sim, options: {{ fixed_ttft_ms: 5, fixed_itl_ms: {itl_ms} }} }}
workload: {{ input_tokens: 16, output_tokens: 16 }}
load: {{ concurrency: [1], requests: 12 }}
repeats: 3
{more}
"
    );
    fs::write(&config, text).unwrap();
    let results = folder.join(name);
    let mut command = inferbench();
    let run = said(command.arg("run").arg(config).arg("--output").arg(&results));
    assert_eq!(run.code, Some(0), "{}", run.err);
    run_folder(&results)
}

fn compare(runs: &[&Path], more: &[&str]) -> Said {
    said(inferbench().arg("compare").args(runs).args(more))
}

#[test]
fn a_slower_run_is_found_and_fails_the_build_and_the_same_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let fast = run_of(folder.path(), "fast", 6, "");
    let again = run_of(folder.path(), "again", 6, "");
    let slow = run_of(folder.path(), "slow", 9, "");
    let gate = [
        "--fail-on-regression",
        "5%",
        "--metric",
        "tpot_ms",
        "--json",
    ];

    let worse = compare(&[&fast, &slow], &gate);
    assert_eq!(worse.code, Some(4), "{}", worse.err);
    let report: Value = serde_json::from_str(&worse.out).unwrap();
    let check = &report["runs"]["gate"]["checks"][0];
    assert_eq!(check["state"], "regressed", "{check}");
    // 9 ms against 6
    let by = check["worse_by"].as_f64().unwrap();
    assert!((by - 0.5).abs() < 0.1, "{check}");
    let better = compare(&[&slow, &fast], &gate);
    assert_eq!(better.code, Some(0), "{}", better.err);
    let same = compare(&[&fast, &again], &gate);
    assert_eq!(same.code, Some(0), "{}", same.err);

    let output = folder.path().join("change");
    let written = said(
        inferbench()
            .arg("compare")
            .args([&fast, &slow])
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(written.code, Some(0), "{}", written.err);
    for name in [
        "report.html",
        "report.json",
        "summary.md",
        "summary.csv",
        "summary.prom",
    ] {
        assert!(output.join(name).is_file(), "{name} is missing");
    }
    let into = compare(&[&fast, &slow], &["--output", slow.to_str().unwrap()]);
    assert_eq!(into.code, Some(2));
    assert!(into.err.contains("is a run folder"), "{}", into.err);
}

#[test]
fn other_work_is_refused_unless_it_is_forced_and_then_said_on_top() {
    let folder = tempfile::tempdir().unwrap();
    let one = run_of(folder.path(), "one", 1, "");
    let other = run_of(folder.path(), "other", 1, "seed: 7");
    let text = fs::read_to_string(other.join("run.json")).unwrap();
    fs::write(
        other.join("run.json"),
        text.replace("no-model", "another-model"),
    )
    .unwrap();
    let refused = compare(&[&one, &other], &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    assert!(
        refused.err.contains("no-model") && refused.err.contains("another-model"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("hint: --force"), "{}", refused.err);
    let forced = compare(&[&one, &other], &["--force", "--json"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    let report: Value = serde_json::from_str(&forced.out).unwrap();
    assert_eq!(report["warnings"][0]["severity"], "critical");
}

#[test]
fn folders_that_are_no_runs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), "run", 1, "");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let nothing = compare(&[&run, &empty], &[]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("empty/run.json"), "{}", nothing.err);
    let twice = compare(&[&run, &run], &[]);
    assert_eq!(twice.code, Some(2), "{}", twice.out);
    let alone = compare(&[&run], &[]);
    assert_eq!(alone.code, Some(2), "{}", alone.out);
    let baseline = compare(&[&run, &empty], &["--baseline", "nobody"]);
    assert_eq!(baseline.code, Some(2));
    assert!(
        baseline.err.contains("`nobody` is none of the runs"),
        "{}",
        baseline.err
    );
}
