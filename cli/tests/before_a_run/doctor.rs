//! `doctor`, as a user runs it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::common::place::Place;
use crate::common::{inferbench, said};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

fn diagnosis(command: &mut Command) -> (Option<i32>, Value) {
    diagnosis_of(command.args(["doctor", "--json"]))
}

fn diagnosis_of(command: &mut Command) -> (Option<i32>, Value) {
    let said = said(command);
    let found = serde_json::from_str(&said.out);
    (
        said.code,
        found.unwrap_or_else(|_| panic!("{}{}", said.out, said.err)),
    )
}

fn line<'v>(diagnosis: &'v Value, group: &str, name: &str) -> &'v Value {
    let lines = diagnosis["lines"].as_array().unwrap();
    let line = lines
        .iter()
        .find(|l| l["group"] == group && l["name"] == name);
    line.unwrap_or_else(|| panic!("no line {group}/{name} in {diagnosis:#}"))
}

fn script(file: &Path, text: &str, mode: u32) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_group_is_in_the_data_and_the_exit_code_follows_the_worst_line() {
    let (code, found) = diagnosis(&mut inferbench());
    for (group, name) in [
        ("gpu", "NVML"),
        ("tools", "uv"),
        ("tools", "docker, podman"),
        ("plugins", "folders"),
        ("plugins", "sim"),
        ("plugins", "vllm"),
        ("plugins", "measurable"),
        ("limits", "open files"),
        ("limits", "processes"),
        ("limits", "local ports"),
        ("machine", "cores"),
        ("machine", "CPU governor"),
        ("machine", "CPU time"),
        ("machine", "load average"),
        ("machine", "disk"),
        ("clocks", "clock source"),
        ("clocks", "receive stamps"),
        ("clocks", "calibration"),
    ] {
        let line = line(&found, group, name);
        assert!(!line["text"].as_str().unwrap().is_empty());
        // A hint goes with each line that is not well, and with no other.
        assert_eq!(line["status"] == "ok", line["hint"].is_null(), "{line:#}");
    }
    let expected = if found["status"] == "error" { 3 } else { 0 };
    assert_eq!(code, Some(expected));
    let sim = line(&found, "plugins", "sim");
    assert_eq!(
        sim["facts"]["starts"]["program"]["program"],
        "inferbench-sim"
    );
    assert_eq!(sim["status"], "ok", "{sim:#}");
}

#[test]
fn tools_that_hang_babble_or_may_not_be_run_cost_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    script(&file("uv"), "#!/bin/sh\nexec sleep 600", 0o755);
    script(
        &file("podman"),
        "#!/bin/sh\nprintf '\\033\\377\\000'",
        0o755,
    );
    script(&file("docker"), "#!/bin/sh\necho 1.2", 0o644);
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let (code, found) = diagnosis(inferbench().env("PATH", path));
    assert_eq!(code, Some(0));
    let uv = line(&found, "tools", "uv");
    assert_eq!(uv["status"], "warning");
    assert_eq!(uv["text"], "reported no version within 5 s and was stopped");
    let containers = line(&found, "tools", "docker, podman");
    let text = containers["text"].as_str().unwrap();
    assert!(text.contains("podman: reported no version"), "{text}");
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
}

#[test]
fn without_any_plugin_there_is_nothing_to_measure_which_is_an_error() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("inferbench");
    fs::hard_link(env!("CARGO_BIN_EXE_inferbench"), &program).unwrap();
    let mut command = Command::new(program);
    command.env("XDG_DATA_HOME", folder.path());
    command.env_remove("INFERBENCH_PLUGIN_PATH");
    let (code, found) = diagnosis(&mut command);
    assert_eq!(code, Some(3));
    assert_eq!(line(&found, "plugins", "measurable")["status"], "error");
    assert_eq!(line(&found, "clocks", "calibration")["status"], "warning");
}

#[test]
fn a_place_that_runs_cannot_be_written_into_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (code, found) = diagnosis_of(
        inferbench()
            .args(["doctor", "--json", "--output"])
            .arg(file.path().join("runs")),
    );
    assert_eq!(code, Some(3));
    assert_eq!(line(&found, "machine", "disk")["status"], "error");
}

#[test]
fn the_text_fits_a_terminal_and_ends_with_the_counts() {
    let said = said(inferbench().arg("doctor"));
    for heading in ["GPU", "Tools", "Plugins", "Limits", "Machine", "Clocks"] {
        assert!(said.out.lines().any(|line| line == heading), "{}", said.out);
    }
    // A path is never broken and may be longer.
    let wide = said.out.lines().find(|line| line.chars().count() > 100);
    let path = wide.is_none_or(|line| line.trim().split(' ').count() < 3);
    assert!(path, "{}", said.out);
    assert!(said.out.trim_end().ends_with(" lines"), "{}", said.out);
}

#[test]
fn what_is_no_entry_among_those_of_servers_is_passed_over() {
    let place = Place::new("");
    let servers = place.path("state/inferbench/servers");
    fs::create_dir_all(&servers).unwrap();
    mkfifo(&servers.join("pipe.json"), Mode::S_IRWXU).unwrap();
    fs::write(servers.join("cut.json"), "{").unwrap();
    fs::create_dir(servers.join("folder.json")).unwrap();
    symlink("/dev/zero", servers.join("endless.json")).unwrap();
    let (_, found) = diagnosis(&mut place.command());
    assert_eq!(line(&found, "leftovers", "servers")["status"], "ok");
}
