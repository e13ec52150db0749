//! What is left when a run ends otherwise than it should: no process, whole
//! files, and a run that can be taken up.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::place::{LONG, Place, ended, records, send, worker};
use crate::common::seal::write_sealed;
use crate::common::{json_file, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Two simulated backends, two levels, two repeats: 8 cells of 20 requests.
const SHORT: &str = "
name: short
model: { id: simulated }
backends:
  - { label: a, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 1 } }
  - { label: b, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 1 } }
workload: { input_tokens: 16, output_tokens: 8 }
load: { concurrency: [1, 4], requests: 20 }
repeats: 2
";

/// A long run whose server does not heed the signal that should stop it.
fn stubborn() -> String {
    let simulator = Path::new(env!("CARGO_BIN_EXE_inferbench")).with_file_name("inferbench-sim");
    let script = format!(
        "trap '' TERM; {} $@ & while :; do sleep 1; done",
        simulator.display()
    );
    let command = format!("command: [sh, -c, \"{script}\", sim], fixed_ttft_ms");
    LONG.replace("fixed_ttft_ms", &command)
}

fn stops_in_order(signal: Signal) {
    let (place, mut child) = Place::in_the_middle(LONG);
    send(&child, signal);
    assert_eq!(ended(&mut child).code(), Some(130), "{signal}");
    place.assert_nothing_is_left();
    let run = place.folder();
    let manifest = json_file(&run.join("run.json"));
    assert_eq!(manifest["exit_state"], "interrupted");
    assert_eq!(manifest["cells"][0]["complete"], false);
    assert!(run.join("report.html").is_file());
}

#[test]
fn signals_that_end_a_program_end_a_run_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        stops_in_order(signal);
    }
}

#[test]
fn a_second_signal_does_not_wait_for_a_server_that_will_not_go() {
    let (place, mut child) = Place::in_the_middle(&stubborn());
    let began = Instant::now();
    send(&child, Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(200));
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130));
    // Its grace is 20 s.
    assert!(began.elapsed() < Duration::from_secs(15));
    place.assert_nothing_is_left();
}

#[test]
fn a_closed_pipe_ends_the_output_and_not_the_run() {
    let place = Place::new(SHORT);
    let mut command = place.run();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(ended(&mut child).code(), Some(0));
    assert_eq!(records(&place.path("results")).len(), 8 * 20);
    place.assert_nothing_is_left();
}

#[test]
fn runs_at_the_same_time_share_neither_folder_nor_port() {
    let place = Place::new(SHORT);
    let mut children = [(); 3].map(|()| place.start());
    for child in &mut children {
        assert_eq!(ended(child).code(), Some(0), "{}", place.said());
    }
    assert_eq!(fs::read_dir(place.path("results")).unwrap().count(), 3);
    assert_eq!(records(&place.path("results")).len(), 3 * 8 * 20);
}

/// Kills a run after `delay`, sees that nothing is left and that its files are
/// whole, takes it up, and compares what comes of it with an undisturbed run.
fn survives_a_kill(delay: Duration) {
    let place = Place::new(SHORT);
    let mut child = place.start();
    std::thread::sleep(delay);
    send(&child, Signal::SIGKILL);
    ended(&mut child);
    place.assert_nothing_is_left();
    if !place.path("results").is_dir() || !place.folder().join("run.json").is_file() {
        // It was not yet, so there is nothing to be taken up.
        return;
    }
    let folder = place.folder();
    let report = said(place.command().arg("report").arg(&folder));
    assert_eq!(report.code, Some(0), "after {delay:?}: {}", report.err);
    let resumed = said(&mut place.resume());
    assert_eq!(resumed.code, Some(0), "after {delay:?}: {}", resumed.err);
    assert_is_whole(&folder);
    place.assert_nothing_is_left();
}

/// All 8 cells with each of their 20 requests once, all good.
fn assert_is_whole(folder: &Path) {
    let output = folder.parent().unwrap();
    let mut seen: Vec<String> = records(output)
        .iter()
        .filter(|record| record["phase"] == "measured")
        .map(|r| {
            format!(
                "{} {} {} {}",
                r["backend"], r["block"], r["level"], r["index"]
            )
        })
        .collect();
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (8 * 20, 8 * 20));
    let cells = json_file(&folder.join("cells.json"));
    let cells = cells["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    assert!(cells.iter().all(|cell| cell["counts"]["ok"] == 20));
    let manifest = json_file(&folder.join("run.json"));
    assert_eq!(manifest["exit_state"], "done");
    assert_eq!(manifest["stages"].as_array().unwrap().len(), 4);
}

#[test]
fn a_run_whose_facts_were_changed_is_not_resumed_and_a_twice_killed_one_is() {
    let place = Place::new(SHORT);
    let mut child = place.start();
    place.wait_for_records(30);
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130));
    let run = place.folder();
    let (manifest, requests) = (run.join("run.json"), run.join("requests.jsonl"));
    let before = [&manifest, &requests].map(|file| fs::read_to_string(file).unwrap());
    let refused = |what: &str, words: &str| {
        let resumed = said(&mut place.resume());
        assert_eq!(resumed.code, Some(2), "{what}: {}", resumed.err);
        assert!(resumed.err.contains(words), "{what}: {}", resumed.err);
        fs::write(&manifest, &before[0]).unwrap();
        fs::write(&requests, &before[1]).unwrap();
    };
    let end = before[1].find("\"end_ns\":").unwrap() + "\"end_ns\":".len();
    let digit = before[1].as_bytes()[end] - b'0';
    let mut edited = before[1].clone();
    edited.replace_range(end..=end, &(digit % 9 + 1).to_string());
    assert_ne!(edited, before[1]);
    fs::write(&requests, edited).unwrap();
    refused("records", "requests.jsonl: has not the hash");
    let mut emptied = json_file(&manifest);
    emptied["files"] = serde_json::json!({});
    fs::write(&manifest, emptied.to_string()).unwrap();
    refused("files", "run.json: is not as the run wrote it at its end");
    let mut unended = emptied.clone();
    unended["exit_state"] = "running".into();
    fs::write(&manifest, unended.to_string()).unwrap();
    refused(
        "as if killed",
        "run.json: is not as the run wrote it at its end",
    );
    write_sealed(&manifest, emptied);
    refused(
        "files, sealed",
        "run.json: has no hashes of the run's files",
    );
    fs::write(run.join("host.0001.jsonl"), "").unwrap();
    refused("one more", "host.0001.jsonl: run.json does not list it");
    fs::remove_file(run.join("host.0001.jsonl")).unwrap();
    // Killed while it goes on, it has no hashes again, and none that are wrong.
    let mut resumed = place.resume();
    let mut resumed = resumed
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    place.wait_for_records(60);
    send(&resumed, Signal::SIGKILL);
    ended(&mut resumed);
    place.assert_nothing_is_left();
    let report = said(place.command().arg("report").arg(&run));
    assert_eq!(report.code, Some(0), "{}", report.err);
    let verified = said(place.command().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let last = said(&mut place.resume());
    assert_eq!(last.code, Some(0), "{}", last.err);
    assert_is_whole(&run);
}

/// The delays lie evenly over the 1.5 s and more that the run takes.
fn kills(n: u32) {
    for i in 0..n {
        survives_a_kill(Duration::from_millis(
            50 + u64::from(i) * 2500 / u64::from(n),
        ));
    }
}

#[test]
fn a_killed_run_leaves_no_process_and_can_be_resumed() {
    kills(6);
}

#[test]
#[ignore = "takes ten minutes"]
fn runs_killed_at_two_hundred_moments_leave_no_process_and_can_be_resumed() {
    kills(200);
}

#[test]
fn a_run_is_resumed_only_with_its_own_config() {
    let place = Place::new(SHORT);
    assert_eq!(said(&mut place.run()).code, Some(0));
    fs::write(
        place.path("bench.yaml"),
        SHORT.replace("requests: 20", "requests: 21"),
    )
    .unwrap();
    let other = said(&mut place.resume());
    assert_eq!(other.code, Some(2));
    assert!(
        other.err.contains("load.requests: was 20, is 21"),
        "{}",
        other.err
    );
    fs::write(place.path("bench.yaml"), SHORT).unwrap();
    let before = fs::read(place.folder().join("requests.jsonl")).unwrap();
    let nothing_to_do = said(&mut place.resume());
    assert_eq!(nothing_to_do.code, Some(0), "{}", nothing_to_do.err);
    assert_eq!(
        fs::read(place.folder().join("requests.jsonl")).unwrap(),
        before
    );
    assert_is_whole(&place.folder());
}

#[test]
fn a_running_run_cannot_be_resumed() {
    let (place, mut child) = Place::in_the_middle(LONG);
    let second = said(&mut place.resume());
    assert_eq!(second.code, Some(2));
    assert!(
        second.err.contains("is being written by another run"),
        "{}",
        second.err
    );
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130));
}

#[test]
fn a_folder_that_is_no_run_or_of_another_version_is_refused() {
    let place = Place::new(SHORT);
    fs::create_dir_all(place.path("results/empty")).unwrap();
    let empty = said(&mut place.resume());
    assert_eq!(empty.code, Some(2));
    assert!(
        empty.err.contains("is no run folder: it has no run.json"),
        "{}",
        empty.err
    );
    fs::write(
        place.path("results/empty/run.json"),
        "{\"schema_version\": 99}",
    )
    .unwrap();
    let newer = said(&mut place.resume());
    assert!(
        newer.err.contains("is of schema version 99"),
        "{}",
        newer.err
    );
}

#[test]
fn a_server_whose_run_and_supervisor_were_killed_together_is_cleaned_up() {
    let (place, mut child) = Place::in_the_middle(&stubborn());
    let journal = fs::read_dir(place.path("state/inferbench/servers")).unwrap();
    let entry = fs::read(journal.flatten().next().unwrap().path()).unwrap();
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let supervisor = entry["supervisor"]["pid"].as_i64().unwrap() as i32;
    // Stopped first, so that neither sees the other's end.
    kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
    send(&child, Signal::SIGKILL);
    ended(&mut child);
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    let left = said(place.command().arg("doctor"));
    let words = left.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("left by earlier runs: ") && words.contains("doctor --clean"),
        "{words}"
    );
    let cleaned = said(place.command().args(["doctor", "--clean"]));
    assert!(cleaned.err.contains("stopped: "), "{}", cleaned.err);
    assert!(
        cleaned
            .out
            .contains("no server of an earlier run is still running"),
        "{}",
        cleaned.out
    );
    place.assert_nothing_is_left();
}

#[test]
fn the_next_run_tidies_what_a_killed_run_left_in_the_journal() {
    let place = Place::new(LONG);
    let mut child = place.start();
    place.wait_for_records(4);
    let journal = place.path("state/inferbench/servers");
    let file = fs::read_dir(&journal).unwrap().flatten().next().unwrap();
    let entry = json_file(&file.path());
    let server = place.server().unwrap();
    let supervisor = entry["supervisor"]["pid"].as_i64().unwrap() as i32;
    // Stopped first, so that none sees another's end.
    let worker = worker(&child).unwrap();
    for pid in [child.id() as i32, worker, supervisor] {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    for pid in [server, supervisor, worker] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    send(&child, Signal::SIGKILL);
    ended(&mut child);
    while !place.processes().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read_dir(&journal).unwrap().count(), 1);
    fs::remove_dir_all(place.path("results")).unwrap();
    fs::write(place.path("bench.yaml"), SHORT).unwrap();
    assert_eq!(said(&mut place.run()).code, Some(0));
    place.assert_nothing_is_left();
}
