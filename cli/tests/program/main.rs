//! The program as a user meets it: exit codes, errors, files, what is left.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod asked;
#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{inferbench, json_file, json_lines, repository, run_folder, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const QUICK: &str = "
name: quick
model: { id: simulated }
backends:
  - { label: one, plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 1 } }
  - { label: two, plugin: sim, options: { fixed_ttft_ms: 10, fixed_itl_ms: 2 } }
workload: { input_tokens: 16, output_tokens: 8 }
load: { concurrency: [1, 2], requests: 6, warmup_requests: 1 }
repeats: 2
";

fn config(folder: &Path, text: &str) -> std::path::PathBuf {
    let file = folder.join("bench.yaml");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_simulated_run_is_whole_and_labelled_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let file = config(folder.path(), QUICK);
    let said = said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("SIMULATED"), "{}", said.out);
    assert!(said.err.contains("SIMULATED"), "{}", said.err);
    let run = run_folder(&output);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.to_lowercase().contains("simulated"));
    assert_eq!(json_file(&run.join("report.json"))["simulated"], true);
    assert_eq!(json_file(&run.join("cells.json"))["simulated"], true);
    let manifest = json_file(&run.join("run.json"));
    assert_eq!(manifest["exit_state"], "done");
    assert_eq!(manifest["backends"][0]["simulated"], true);
    let requests = json_lines(&run.join("requests.jsonl"));
    let measured = requests.iter().filter(|r| r["phase"] == "measured");
    assert_eq!(measured.count(), 2 * 2 * 2 * 6);
    for request in &requests {
        assert_eq!(request["status"], "ok", "{request}");
        assert_eq!(request["output_tokens"], 8);
        assert_eq!(request["input_tokens"], 16);
    }
    for name in [
        "gpu.jsonl",
        "host.jsonl",
        "server_metrics.jsonl",
        "summary.csv",
        "summary.md",
        "summary.prom",
    ] {
        assert!(run.join(name).is_file(), "{name} is missing");
    }
    for name in ["command.txt", "stdout.log", "stderr.log"] {
        assert!(
            run.join("logs/one/0").join(name).is_file(),
            "{name} is missing"
        );
    }
}

#[test]
fn a_report_is_made_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let file = config(folder.path(), QUICK);
    said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    let run = run_folder(&output);
    let names = [
        "cells.json",
        "report.json",
        "report.html",
        "summary.md",
        "summary.prom",
        "summary.csv",
    ];
    let read = || names.map(|name| fs::read(run.join(name)).unwrap());
    let before = read();
    for name in names {
        fs::remove_file(run.join(name)).unwrap();
    }
    let again = said(inferbench().arg("report").arg(&run));
    assert_eq!(again.code, Some(0), "{}", again.err);
    for (name, (old, new)) in names.iter().zip(before.iter().zip(read().iter())) {
        assert!(old == new, "{name} differs");
    }
}

#[test]
fn json_output_is_the_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), QUICK);
    let output = folder.path().join("results");
    let said = said(
        inferbench()
            .args(["--json", "--quiet", "run"])
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["name"], "quick");
    assert_eq!(said.err, "");
}

#[test]
fn a_missing_program_fails_its_backend_and_the_other_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = QUICK.replace(
        "options: { fixed_ttft_ms: 10, fixed_itl_ms: 2 }",
        "options: { command: [no-such-simulator] }",
    );
    let file = config(folder.path(), &text);
    let output = folder.path().join("results");
    let said = said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(said.code, Some(3), "{}", said.err);
    let words = "cannot start `no-such-simulator`: no such program";
    assert!(said.err.contains(&format!("two: {words}")), "{}", said.err);
    let answer = format!("two gave no result: {words}.");
    assert!(said.out.contains(&answer), "{}", said.out);
    assert_eq!(said.out.matches(words).count(), 1, "{}", said.out);
    let cells = json_file(&run_folder(&output).join("cells.json"));
    assert_eq!(cells["cells"].as_array().unwrap().len(), 4);
}

#[test]
fn a_server_that_dies_while_measured_is_reported_with_status_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let text = QUICK.replace(
        "fixed_itl_ms: 2 }",
        "fixed_itl_ms: 2, exit_after_requests: 4 }",
    );
    let file = config(folder.path(), &text);
    let output = folder.path().join("results");
    let said = said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(
        said.err.contains("two: ended with exit status 1"),
        "{}",
        said.err
    );
    assert!(said.err.contains("simulated crash"), "{}", said.err);
}

/// A long run that has begun to measure.
#[allow(clippy::zombie_processes, reason = "the caller waits for it")]
fn long_run(folder: &Path, extra: &str) -> (Child, std::path::PathBuf) {
    let text = QUICK
        .replace("requests: 6", "requests: 100000")
        .replace("fixed_itl_ms: 1 }", &format!("fixed_itl_ms: 1{extra} }}"))
        .replace("fixed_itl_ms: 2 }", &format!("fixed_itl_ms: 2{extra} }}"));
    let file = config(folder, &text);
    let output = folder.join("results");
    let mut command = inferbench();
    command.arg("run").arg(&file).arg("--output").arg(&output);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    loop {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nothing was measured"
        );
        let run = fs::read_dir(&output).ok().and_then(|mut runs| runs.next());
        if let Some(Ok(run)) = run
            && fs::read_to_string(run.path().join("requests.jsonl"))
                .is_ok_and(|text| text.lines().count() > 5)
        {
            return (child, run.path());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ports of the servers of a run, from its command files.
fn ports(run: &Path) -> Vec<String> {
    let mut ports = Vec::new();
    for label in ["one", "two"] {
        let command = fs::read_to_string(run.join("logs").join(label).join("0/command.txt"));
        let words: Vec<String> = command
            .unwrap_or_default()
            .split(' ')
            .map(str::to_owned)
            .collect();
        let port = words.iter().skip_while(|word| *word != "--port").nth(1);
        ports.extend(port.cloned());
    }
    ports
}

fn is_served(port: &str) -> bool {
    std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
}

#[test]
fn an_interrupt_stops_servers_and_leaves_valid_files() {
    let folder = tempfile::tempdir().unwrap();
    let (child, run) = long_run(folder.path(), "");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let said = common::Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(130), "{}", said.err);
    let ports = ports(&run);
    assert!(!ports.is_empty() && !ports.iter().any(|port| is_served(port)));
    assert_eq!(
        json_file(&run.join("run.json"))["exit_state"],
        "interrupted"
    );
    let requests = json_lines(&run.join("requests.jsonl"));
    let interrupted = requests
        .iter()
        .filter(|r| r["reason"] == "interrupted")
        .count();
    assert!(
        interrupted <= 2,
        "at most the level's requests were in flight"
    );
    assert!(requests.len() > 5);
    assert!(run.join("report.html").is_file());
}

#[test]
fn a_second_interrupt_leaves_a_stubborn_server_no_grace() {
    let folder = tempfile::tempdir().unwrap();
    let (child, run) = long_run(folder.path(), ", ignore_sigterm: true");
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGINT).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let second = Instant::now();
    kill(pid, Signal::SIGINT).unwrap();
    let said = common::Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert!(
        second.elapsed() < Duration::from_secs(15),
        "the grace was waited out"
    );
    assert!(!ports(&run).iter().any(|port| is_served(port)));
}
