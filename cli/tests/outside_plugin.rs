//! Plugins built outside the workspace, as a stranger builds them: those of the
//! `examples` folder, what `plugins new` writes, and two that must be refused.
//! Ignored by default: they run cargo.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{inferbench, repository, run_folder, said};
use serde_json::Value;

/// Cargo in a project of its own, with the versions that the workspace locks.
fn cargo(project: &Path, arguments: &[&str]) -> Command {
    fs::copy(repository().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .arg("--quiet")
        .current_dir(project)
        .env("CARGO_TARGET_DIR", repository().join("target/outside"));
    command
}

fn built(name: &str) -> PathBuf {
    repository().join(format!("target/outside/debug/libinferbench_{name}.so"))
}

/// A copy of an example, so that building leaves nothing in the repository.
fn copied(example: &str, folder: &Path) -> PathBuf {
    let (from, to) = (
        repository().join("examples").join(example),
        folder.join(example),
    );
    copy_all(&from, &to);
    let manifest = fs::read_to_string(to.join("Cargo.toml")).unwrap();
    let core = repository().join("core");
    let manifest = manifest.replace("../../core", core.to_str().unwrap());
    fs::write(to.join("Cargo.toml"), manifest).unwrap();
    to
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                copy_all(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn tests_and_builds(project: &Path) {
    assert!(cargo(project, &["test"]).status().unwrap().success());
    assert!(cargo(project, &["build"]).status().unwrap().success());
}

/// The line of `plugins --json` on that library.
fn listed(library: &Path) -> Value {
    let said = said(
        inferbench()
            .arg("--plugin")
            .arg(library)
            .args(["plugins", "--json"]),
    );
    let rows: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let file = library.to_str().unwrap();
    rows.into_iter().find(|row| row["file"] == file).unwrap()
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds a crate of its own"]
fn the_example_of_a_server_builds_outside_passes_its_checks_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let project = copied("acme", folder.path());
    tests_and_builds(&project);
    let exchanges = project.join("exchanges");
    let mut check = inferbench();
    check
        .args(["plugins", "check", "--exchanges"])
        .arg(&exchanges)
        .arg(built("acme"));
    let checked = said(&mut check);
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    assert!(
        checked.out.contains("the recorded exchange `hello`"),
        "{}",
        checked.out
    );
    let mut show = inferbench();
    show.arg("--plugin")
        .arg(built("acme"))
        .args(["plugins", "show", "acme"]);
    let shown = said(&mut show);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("max_batch: integer"), "{}", shown.out);

    // An answer that is read otherwise than it was recorded is found.
    let hello = exchanges.join("hello.json");
    let text = fs::read_to_string(&hello).unwrap();
    fs::write(&hello, text.replace("Hello, you", "Hello, me")).unwrap();
    let checked = said(&mut check);
    assert_eq!(checked.code, Some(4), "{}", checked.out);
    let reason = r#"text: expected "Hello, me", found "Hello, you""#;
    assert!(checked.out.contains(reason), "{}", checked.out);
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds a crate of its own"]
fn the_example_of_an_engine_builds_outside_and_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let project = copied("metronome", folder.path());
    tests_and_builds(&project);
    let library = built("metronome");
    let checked = said(inferbench().args(["plugins", "check"]).arg(&library));
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    let results = folder.path().join("results");
    let mut run = inferbench();
    run.arg("--plugin")
        .arg(&library)
        .arg("run")
        .arg(project.join("run.yaml"));
    let ran = said(run.arg("--output").arg(&results));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let cells = fs::read_to_string(run_folder(&results).join("cells.json")).unwrap();
    assert!(cells.contains("metronome"));
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds a crate of its own"]
fn a_new_plugin_builds_as_it_was_written_passes_its_checks_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("fresh");
    let mut new = inferbench();
    new.args(["plugins", "new", "my-server", "--path"])
        .arg(&project);
    let new = said(
        new.arg("--api-path")
            .arg(repository().join("core/plugin-api")),
    );
    assert_eq!(new.code, Some(0), "{}", new.err);
    tests_and_builds(&project);
    let library = built("my_server");
    let mut check = inferbench();
    check
        .args(["plugins", "check", "--exchanges"])
        .arg(project.join("exchanges"));
    let checked = said(check.arg(&library));
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    let row = listed(&library);
    assert_eq!(
        (&row["state"], &row["name"]),
        (&"ok".into(), &"my-server".into())
    );
    first_run_works("my-server", &project, &library);
    // The loader refuses a build whose panics would end InferBench.
    let mut aborts = cargo(&project, &["build"]);
    aborts.env("CARGO_PROFILE_DEV_PANIC", "abort");
    assert!(aborts.status().unwrap().success());
    let row = listed(&library);
    let reason = row["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("was built with panic = \"abort\""),
        "{reason}"
    );
}

/// The first run of a new project, with its config as it was written.
fn first_run_works(name: &str, project: &Path, library: &Path) {
    let mut run = inferbench();
    run.arg("--plugin").arg(library).args(["run", "run.yaml"]);
    let ran = said(run.current_dir(project));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let cells = fs::read_to_string(run_folder(&project.join("results")).join("cells.json"));
    let cells: Value = serde_json::from_str(&cells.unwrap()).unwrap();
    let cell = &cells["cells"][0];
    assert_eq!(
        (&cell["backend"], &cell["counts"]["ok"]),
        (&name.into(), &20.into())
    );
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds a crate of its own"]
fn a_new_plugin_for_an_api_of_its_own_passes_its_checks_and_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("fresh");
    let mut new = inferbench();
    new.args(["plugins", "new", "my-own", "--flavour", "native", "--path"])
        .arg(&project)
        .arg("--api-path")
        .arg(repository().join("core/plugin-api"));
    let new = said(&mut new);
    assert_eq!(new.code, Some(0), "{}", new.err);
    tests_and_builds(&project);
    let mut check = inferbench();
    check
        .args(["plugins", "check", "--exchanges"])
        .arg(project.join("exchanges"));
    let checked = said(check.arg(built("my_own")));
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    // The target folder of these tests is not the project's own.
    let stand_in = repository().join("target/outside/debug/stand-in");
    let config = project.join("run.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("target/release/stand-in", stand_in.to_str().unwrap());
    fs::write(&config, text).unwrap();
    first_run_works("my-own", &project, &built("my_own"));
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds the plugin API changed"]
fn a_plugin_of_another_layout_is_refused_by_the_field_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    let project = copied("acme", folder.path());
    let core = folder.path().join("core");
    for part in ["contract", "plugin-api", "testkit"] {
        copy_all(&repository().join("core").join(part), &core.join(part));
    }
    let api = core.join("plugin-api");
    // The copies take versions and lints from the workspace's own manifest.
    let workspace = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let rest = workspace.split_once("[workspace.package]").unwrap().1;
    let members = "[workspace]\nmembers = [\"core/*\"]\n";
    let workspace = format!("{members}exclude = [\"acme\"]\n[workspace.package]{rest}");
    fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
    let abi = api.join("src/abi.rs");
    let text = fs::read_to_string(&abi).unwrap();
    let changed = text.replace("    pub panicked: u32,", "    pub panicked: u64,");
    assert_ne!(text, changed);
    fs::write(&abi, changed).unwrap();
    let adapter = api.join("src/adapter.rs");
    let text = fs::read_to_string(&adapter).unwrap();
    let text = text.replace(
        "panicked: u32::from(error.panicked)",
        "panicked: u64::from(error.panicked)",
    );
    fs::write(&adapter, text).unwrap();
    let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
    let own = repository().join("core");
    let manifest = manifest.replace(own.to_str().unwrap(), core.to_str().unwrap());
    fs::write(
        project.join("Cargo.toml"),
        manifest.replace("\"inferbench-acme\"", "\"inferbench-odd\""),
    )
    .unwrap();
    assert!(cargo(&project, &["build"]).status().unwrap().success());
    let row = listed(&built("odd"));
    let reason = row["reason"].as_str().unwrap();
    assert!(
        reason.contains("was built against another layout of plugin API 1"),
        "{reason}"
    );
    assert!(reason.contains("panicked"), "{reason}");
    assert!(
        reason.contains("rebuild it against inferbench-plugin-api 1"),
        "{reason}"
    );
}
