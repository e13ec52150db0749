//! A command that is given another file or folder than it wants: what it is
//! given is reported, and what was meant.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::common::{inferbench, said};

/// A folder with a manifest in it, written so many seconds ago.
fn run_in(folder: &Path, name: &str, seconds_ago: u64) {
    let run = folder.join(name);
    fs::create_dir(&run).unwrap();
    let file = File::create(run.join("run.json")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago))
        .unwrap();
}

#[test]
fn a_folder_of_runs_is_no_run_and_its_newest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), "b-old", 60);
    run_in(folder.path(), "a-new", 5);
    fs::create_dir(folder.path().join("other")).unwrap();
    let name = folder.path().display();
    for command in ["report", "verify", "compare"] {
        let said = said(inferbench().arg(command).arg(folder.path()));
        assert_eq!(said.code, Some(2), "{command}");
        assert_eq!(
            said.err,
            format!(
                "error: {name}: is no run folder: it has no run.json\nhint: its newest run is {name}/a-new\n"
            ),
            "{command}"
        );
    }
}

#[test]
fn a_folder_without_runs_and_a_missing_one_give_different_errors() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().display();
    let empty = said(inferbench().arg("report").arg(folder.path()));
    assert_eq!(
        empty.err,
        format!("error: {name}: is no run folder: it has no run.json\n")
    );
    let gone = said(inferbench().arg("verify").arg(folder.path().join("x")));
    assert_eq!(
        gone.err,
        format!("error: {name}/x: there is no such folder\n")
    );
}

#[test]
fn a_folder_instead_of_a_config_is_an_error_with_a_hint_if_it_holds_a_run() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), "run", 5);
    let outer = said(inferbench().arg("run").arg(folder.path()));
    assert_eq!(outer.code, Some(2));
    let name = folder.path().display();
    assert_eq!(
        outer.err,
        format!("error: {name}: is a folder, not a config file\n")
    );
    let run = said(inferbench().arg("run").arg(folder.path().join("run")));
    assert!(
        run.err.ends_with(&format!(
            "hint: it holds a run: show it with inferbench report {name}/run, or continue it with inferbench run CONFIG --resume {name}/run\n"
        )),
        "{}",
        run.err
    );
}

#[test]
fn a_mistyped_plugin_gets_the_nearest_name_as_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    let config = "
name: typo
model: { id: simulated }
backends:
  - plugin: vlm
load: { concurrency: [1], requests: 8 }
";
    fs::write(&file, config).unwrap();
    let said = said(inferbench().arg("validate").arg(&file));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.ends_with("hint: did you mean `vllm`?\n"),
        "{}",
        said.err
    );
}

#[test]
fn errors_in_a_row_with_one_hint_have_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    let config = "
name: two
model: { id: simulated }
backends:
  - plugin: acme-server
  - plugin: another-one
load: { concurrency: [1], requests: 8 }
";
    fs::write(&file, config).unwrap();
    let said = said(inferbench().arg("validate").arg(&file));
    assert_eq!(said.code, Some(2));
    assert_eq!(said.err.matches("error: ").count(), 2, "{}", said.err);
    assert_eq!(said.err.matches("hint: ").count(), 1, "{}", said.err);
    let last = said.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("hint: `openai` measures"), "{}", said.err);
}
