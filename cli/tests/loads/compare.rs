//! `compare`: runs side by side, what is refused, and what fails a build.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Said, inferbench, run_folder, said};
use serde_json::Value;

/// A run of one simulated backend whose tokens come every `itl_ms`.
fn run_of(folder: &Path, name: &str, itl_ms: u32, more: &str) -> PathBuf {
    run_at(
        folder,
        name,
        itl_ms,
        &format!("load: {{ concurrency: [1], requests: 12 }}\nrepeats: 3\n{more}"),
    )
}

/// The same with its load, repeats and all that follows.
fn run_at(folder: &Path, name: &str, itl_ms: u32, load: &str) -> PathBuf {
    let config = folder.join(format!("{name}.yaml"));
    let text = format!(
        "name: {name}
model: {{ id: no-model }}
backends:
  - {{ label: sim, plugin: sim, options: {{ fixed_ttft_ms: 5, fixed_itl_ms: {itl_ms} }} }}
workload: {{ input_tokens: 16, output_tokens: 16 }}
{load}
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
    let summary = output.join("gate");
    let gated = compare(
        &[&fast, &slow],
        &[
            "--fail-on-regression",
            "5%",
            "--metric",
            "tpot_ms",
            "--output",
            summary.to_str().unwrap(),
        ],
    );
    assert_eq!(gated.code, Some(4), "{}", gated.err);
    let text = fs::read_to_string(summary.join("summary.md")).unwrap();
    let first = text.lines().find(|line| line.starts_with("> ")).unwrap();
    // what regressed, by how much, with which interval
    assert!(
        first.contains("regression: ") && first.contains("time per output token at concurrency 1"),
        "{first}"
    );
    assert!(
        first.contains("% worse than in ") && first.contains("(95 %: "),
        "{first}"
    );
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

/// A copy of a run folder in which a text of a file is another.
fn edited(run: &Path, to: &Path, file: &str, was: &str, is: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(run).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    let text = fs::read_to_string(to.join(file)).unwrap();
    assert!(text.contains(was), "{file} has no {was}");
    fs::write(to.join(file), text.replacen(was, is, 1)).unwrap();
}

#[test]
fn a_run_of_another_version_is_refused_in_one_line_by_all_who_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), "run", 1, "");
    let now = "\"schema_version\": 3";
    for version in ["0", "4"] {
        let other = folder.path().join(format!("version-{version}"));
        edited(&run, &other, "run.json", now, &now.replace('3', version));
        let answers = [
            compare(&[&run, &other], &[]),
            compare(&[&other, &run], &[]),
            said(inferbench().arg("report").arg(&other)),
            said(inferbench().arg("verify").arg(&other)),
        ];
        for answer in answers {
            assert_eq!(answer.code, Some(2), "{}", answer.out);
            let line = format!(
                "error: {}/run.json has schema_version {version}, this build reads 1 to 3\n",
                other.display()
            );
            assert_eq!(answer.err, line);
        }
    }
}

#[test]
fn derived_files_of_another_version_are_made_anew_and_named_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), "run", 1, "");
    let other = folder.path().join("other");
    for file in ["cells.json", "report.json"] {
        edited(
            &run,
            &other,
            file,
            "\"schema_version\": 3",
            "\"schema_version\": 4",
        );
        let verified = said(inferbench().arg("verify").arg(&other));
        assert_eq!(verified.code, Some(4), "{}", verified.err);
        let line = format!("{file}: has schema_version 4, this build writes 3");
        assert!(verified.out.contains(&line), "{}", verified.out);
        let report = said(inferbench().arg("report").arg(&other));
        assert_eq!(report.code, Some(0), "{}", report.err);
        assert_eq!(
            fs::read(other.join(file)).unwrap(),
            fs::read(run.join(file)).unwrap()
        );
    }
}

#[test]
fn a_run_that_did_not_end_is_compared_and_said_so_and_one_without_requests_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), "run", 1, "");
    let killed = folder.path().join("killed");
    edited(
        &run,
        &killed,
        "run.json",
        "\"exit_state\": \"done\"",
        "\"exit_state\": \"running\"",
    );
    let compared = compare(&[&run, &killed], &[]);
    assert_eq!(compared.code, Some(0), "{}", compared.err);
    let line = "critical: killed has not ended, or its end was not written";
    assert!(compared.out.contains(line), "{}", compared.out);
    fs::write(killed.join("requests.jsonl"), "").unwrap();
    let empty = compare(&[&run, &killed], &[]);
    assert_eq!(empty.code, Some(2), "{}", empty.out);
    assert!(
        empty
            .err
            .contains("killed: nothing was measured in this run"),
        "{}",
        empty.err
    );
}

#[test]
fn a_level_of_some_runs_is_shown_and_no_verdict_over_all_runs_takes_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let load = |levels: &str, repeats: u32| {
        format!("load: {{ concurrency: {levels}, requests: 6 }}\nrepeats: {repeats}")
    };
    let was = run_at(folder.path(), "was", 4, &load("[1, 2]", 2));
    let is = run_at(folder.path(), "is", 4, &load("[2, 4]", 3));
    let both = compare(&[&was, &is], &["--json"]);
    assert_eq!(both.code, Some(0), "{}", both.err);
    let report: Value = serde_json::from_str(&both.out).unwrap();
    let levels = |entries: &Value| -> Vec<u64> {
        let entries = entries.as_array().unwrap().iter();
        let levels = entries.map(|entry| entry["level"]["value"].as_u64().unwrap());
        levels.collect()
    };
    assert_eq!(levels(&report["rows"]), [1, 2, 2, 4]);
    for found in [&report["runs"]["changes"], &report["comparisons"]] {
        let found = levels(found);
        assert!(!found.is_empty() && found.iter().all(|level| *level == 2));
    }
    let differences = report["runs"]["differences"].as_array().unwrap();
    let of_load = differences.iter().find(|d| d["what"] == "load.concurrency");
    assert_eq!(
        of_load.unwrap()["values"],
        serde_json::json!(["1, 2", "2, 4"])
    );

    let apart = run_at(folder.path(), "apart", 4, &load("[8]", 2));
    let gated = compare(&[&was, &apart], &["--fail-on-regression", "5%"]);
    assert_eq!(gated.code, Some(4), "{}", gated.err);
    let words = gated.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("gate not met: nothing in"), "{words}");
}

#[test]
fn folders_that_are_no_runs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), "run", 1, "");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let nothing = compare(&[&run, &empty], &[]);
    assert_eq!(nothing.code, Some(2));
    assert!(
        nothing.err.contains("empty: is no run folder"),
        "{}",
        nothing.err
    );
    let twice = compare(&[&run, &run], &[]);
    assert_eq!(twice.code, Some(2), "{}", twice.out);
    let alone = compare(&[&run], &[]);
    assert_eq!(alone.code, Some(2), "{}", alone.out);
    let baseline = compare(&[&run, &empty], &["--baseline", "nobody"]);
    assert_eq!(baseline.code, Some(2));
    assert!(
        baseline.err.contains("`nobody` is not one of the runs"),
        "{}",
        baseline.err
    );
}

#[test]
fn a_gate_that_cannot_decide_has_a_code_of_its_own_where_a_decision_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    // one repeat of each shows nothing
    let load = "load: { concurrency: [1], requests: 6 }\nrepeats: 1";
    let was = run_at(folder.path(), "was", 4, load);
    let is = run_at(folder.path(), "is", 4, load);
    let gate = ["--fail-on-regression", "5%", "--json"];
    let open = compare(&[&was, &is], &gate);
    assert_eq!(open.code, Some(0), "{}", open.err);
    let report: Value = serde_json::from_str(&open.out).unwrap();
    // the third is decode time per token where reads were shared, else TPOT
    let metrics = report["runs"]["gate"]["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), 3, "{metrics:?}");
    assert_eq!(metrics[..2], ["output_token_throughput", "ttft_ms"]);
    let asked = [&gate[..], &["--require-decision"]].concat();
    let asked = compare(&[&was, &is], &asked);
    assert_eq!(asked.code, Some(5), "{}", asked.err);
}
