//! A command that is given another file or folder than it wants: what it is
//! given is reported, and what was meant.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
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
fn a_run_to_resume_that_is_no_run_gets_the_same_errors() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), "a-new", 5);
    let name = folder.path().display();
    let resume = |run: &Path| {
        let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/quickstart.yaml");
        said(inferbench().args(["run", quickstart, "--resume"]).arg(run))
    };
    let no_run = resume(folder.path());
    assert_eq!(no_run.code, Some(2));
    assert_eq!(
        no_run.err,
        format!(
            "error: {name}: is no run folder: it has no run.json\nhint: its newest run is {name}/a-new\n"
        )
    );
    let gone = resume(&folder.path().join("x"));
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

/// A config whose run takes a moment.
const TINY: &str = "
name: tiny
model: { id: simulated }
backends: [ { plugin: sim, options: { fixed_ttft_ms: 1, fixed_itl_ms: 1 } } ]
workload: { input_tokens: 4, output_tokens: 2 }
load: { concurrency: [1], requests: 2 }
repeats: 1
";

#[test]
fn an_argument_that_is_no_text_is_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bench.yaml");
    fs::write(&config, TINY).unwrap();
    let config = config.to_str().unwrap();
    let odd = OsStr::from_bytes(b"a\xffb");
    let there = folder.path().join(odd);
    fs::create_dir(&there).unwrap();
    for words in [
        vec!["run", config, "--output"],
        vec!["run", config, "--resume"],
        vec!["run"],
        vec!["validate"],
        vec!["report"],
        vec!["verify"],
        vec!["compare", "a", "--output"],
        vec!["merge", "-o", "m"],
        vec!["merge", "a", "-o"],
        vec!["prompts", config, "-o"],
        vec!["plugins", "new", "x", "--path"],
        vec!["plugins", "check"],
        vec!["calibrate", "--quick", "--output"],
        vec!["doctor", "--output"],
        vec!["report", "x", "--plugin-dir"],
        vec!["kubernetes", config, "--shards", "2", "--image"],
    ] {
        let said = said(inferbench().args(&words).arg(&there));
        assert_eq!(said.code, Some(2), "{words:?}: {}", said.err);
        let is_named = said.err.contains("a\\xFFb\" is not UTF-8")
            || said.err.contains("invalid UTF-8 was detected");
        assert!(is_named, "{words:?}: {}", said.err);
    }
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
}

#[test]
fn a_run_in_a_place_that_is_no_text_is_refused_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join(OsStr::from_bytes(b"a\xffb"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("bench.yaml"), TINY).unwrap();
    let mut here = inferbench();
    here.current_dir(&there);
    let mut journal = inferbench();
    journal
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", &there);
    fs::write(folder.path().join("bench.yaml"), TINY).unwrap();
    for (what, command) in [("the folder", here), ("the journal's folder", journal)] {
        let mut command = command;
        let said = said(command.args(["run", "bench.yaml", "--output", "results"]));
        assert_eq!(said.code, Some(2), "{what}: {}", said.err);
        let words = format!("error: {what} ");
        assert!(said.err.contains(&words), "{what}: {}", said.err);
        assert!(said.err.contains("is not UTF-8"), "{what}: {}", said.err);
    }
    assert!(!there.join("results").exists() && !folder.path().join("results").exists());
}

#[test]
fn a_folder_that_may_not_be_read_is_not_called_one_without_a_run() {
    // Root may read anything, so that something else stands in its way: a file above it.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = said(inferbench().arg("report").arg(file.join("run")));
    assert_eq!(said.code, Some(2));
    let words = "file/run/run.json: cannot be read\n  cause: Not a directory";
    assert!(said.err.contains(words), "{}", said.err);
}
