//! Runs that do not go well: servers that do not start or die, interrupted runs, and what
//! `--resume` makes of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::runs::{
    Ran, attached, config, is_gone, launched, llm, prepared, processes_with, run, run_with, sim,
};
use crate::common::server::{Peer, TestServer, answer};
use inferbench_engine::derive::derive;
use inferbench_engine::event::RunEvent;
use inferbench_engine::prepare::PreparedRun;
use inferbench_engine::run::{self, Stops};
use inferbench_engine::store::read_lines;
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::facts::record::RequestRecord;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

#[tokio::test]
async fn backends_that_do_not_start_fail_with_their_cause_and_the_others_go_on() {
    let good = TestServer::start(|peer| llm(peer, "m"));
    let no_paths = TestServer::always(answer("404 Not Found", "text/plain", "", "nope"));
    let silent = TestServer::start(Peer::until_closed);
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let sleeper = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    let mut never_ready = launched("never-ready", &["sh", "-c", &sleeper, "{port}"]);
    never_ready["ready_timeout"] = json!("1s");
    let mut hangs = attached("hangs", &silent);
    hangs["ready_timeout"] = json!("1s");
    let backends = json!([
        launched("gone", &["/no/such/program", "{port}"]),
        launched("exits", &["sh", "-c", "echo boom >&2; exit 3", "{port}"]),
        never_ready,
        hangs,
        attached("no-paths", &no_paths),
        attached("good", &good),
    ]);
    let began = Instant::now();
    let ran = run_with(folder, backends, json!({}), &Stops::default()).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "a wait has no end"
    );
    assert_eq!(ran.finished.exit_state, ExitState::Incomplete);
    assert_eq!(ran.manifest().exit_state, ExitState::Incomplete);
    let failure = |backend: &str| ran.stage(backend).failure.unwrap_or_default();
    assert_eq!(
        failure("gone"),
        "cannot start `/no/such/program`: no such program"
    );
    assert_eq!(
        failure("exits"),
        "ended with exit status 3 before it was ready"
    );
    assert_eq!(ran.stage("exits").log_tail, ["boom"]);
    let words = failure("never-ready");
    assert!(words.starts_with("not ready after 1 s: "), "{words}");
    assert!(words.contains("Connection refused"), "{words}");
    assert!(
        failure("hangs").starts_with("not ready after 1 s: "),
        "{}",
        failure("hangs")
    );
    assert_eq!(
        failure("no-paths"),
        "a request failed: http_404: nope; it was `POST /v1/completions`: check model.id, \
         options.endpoint, the path in `attach`"
    );
    assert_eq!(ran.stage("good").failure, None);

    let failed = |event: &&RunEvent| matches!(event, RunEvent::BackendFailed { .. });
    assert_eq!(ran.events.iter().filter(failed).count(), 5);
    let cells = ran.derived().cells.cells;
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].backend, "good");
    let pids = fs::read_to_string(ran.folder.path().join("pids")).unwrap();
    let pids: Vec<i32> = pids
        .split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.into_iter().all(is_gone), "a process was left behind");
}

/// Of each failure the repeat and whether the backend was given up.
fn failures(ran: &Ran) -> Vec<(u32, bool)> {
    let failed = ran.events.iter().filter_map(|event| match event {
        RunEvent::BackendFailed {
            block, given_up, ..
        } => Some((*block, *given_up)),
        _ => None,
    });
    failed.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_could_not_start_is_not_tried_again_in_the_same_run() {
    let exits = launched("exits", &["sh", "-c", "exit 3", "{port}"]);
    let ran = run(json!([exits]), json!({"repeats": 3})).await;
    assert_eq!(failures(&ran), [(0, true)]);
    assert_eq!(
        ran.manifest().stages.len(),
        1,
        "the others are left to a resumed run"
    );
    assert_eq!(ran.finished.exit_state, ExitState::Incomplete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_was_ready_once_is_tried_in_every_repeat() {
    let folder = tempfile::tempdir().unwrap();
    // The second start and those after it find the mark of the first.
    let mark = folder.path().join("mark").display().to_string();
    let script = format!(
        "test -e {mark} && exit 3; touch {mark}; exec {} --model m --port $0",
        sim()
    );
    let flaky = launched("flaky", &["sh", "-c", &script, "{port}"]);
    let extra = json!({"repeats": 3});
    let ran = run_with(folder, json!([flaky]), extra, &Stops::default()).await;
    assert_eq!(failures(&ran), [(1, false), (2, false)]);
}

#[tokio::test]
async fn a_cell_without_one_good_answer_makes_the_run_incomplete() {
    let asked = AtomicUsize::new(0);
    let server = TestServer::start(move |peer| {
        while let Some(request) = peer.request() {
            let completion = request.line().starts_with("POST");
            // The first one is the readiness probe.
            if completion && asked.fetch_add(1, Ordering::SeqCst) == 0 {
                peer.write(crate::common::server::good_answer());
            } else {
                peer.write(answer("503 Busy", "text/plain", "", "overloaded"));
            }
        }
    });
    let mut busy = attached("busy", &server);
    busy["ready_timeout"] = json!("2s");
    let ran = run(json!([busy]), json!({})).await;
    assert_eq!(ran.stage("busy").failure, None);
    assert_eq!(ran.finished.exit_state, ExitState::Incomplete);
    let row = serde_json::to_value(&ran.derived().cells.cells[0]).unwrap();
    assert_eq!(row["counts"]["by_reason"]["http_503"], 8, "{row}");
    assert_eq!(row["ttft_ms"]["p50"], Value::Null);
}

#[tokio::test]
async fn a_server_that_dies_under_load_fails_its_stage_and_leaves_its_records() {
    let command = [
        &sim(),
        "--port",
        "{port}",
        "--model",
        "{served_name}",
        "--exit-after-requests",
        // readiness takes one, the audit of cached answers fourteen
        "21",
    ];
    let started = Instant::now();
    let ran = run(json!([launched("dies", &command)]), json!({})).await;
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(ran.finished.exit_state, ExitState::Incomplete);
    assert_eq!(
        ran.stage("dies").failure.as_deref(),
        Some("ended with exit status 1 while it was measured at concurrency 2")
    );
    let records = ran.records();
    assert!(records.iter().any(RequestRecord::is_ok));
    assert!(records.iter().any(|record| !record.is_ok()));
}

/// A simulator with a steady pace, whose command line holds `mark`.
fn marked_simulator(label: &str, mark: &str) -> Value {
    let words = "--port {port} --model {served_name} --fixed-ttft-ms 20 --fixed-itl-ms 5";
    let program = sim();
    let mut command = vec![program.as_str()];
    command.extend(words.split(' '));
    command.extend(["--truth-file", mark]);
    launched(label, &command)
}

#[tokio::test]
async fn an_interrupted_run_stops_its_server_and_leaves_valid_files() {
    let stops = Stops::default();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("truth").display().to_string();
    let backends = json!([marked_simulator("long", &mark)]);
    let extra = json!({"load": {"concurrency": [2], "duration": "10m"}});
    let prepared = prepared(&config(folder.path(), &backends, &extra));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let output = folder.path().join("results");
    let interrupt = async {
        while let Some(event) = receiver.recv().await {
            if matches!(event, RunEvent::CellProgress { measured, .. } if measured > 0) {
                assert_eq!(processes_with(&mark).len(), 1);
                stops.gentle.cancel();
                return Instant::now();
            }
        }
        panic!("the run ended by itself");
    };
    let run = run::run(
        &prepared,
        run::Destination::New(&output),
        "0.0.0",
        sender,
        &stops,
    );
    let (finished, interrupted_at) = tokio::join!(run, interrupt);
    assert!(interrupted_at.elapsed() < Duration::from_secs(5));
    assert_eq!(processes_with(&mark), Vec::<i32>::new());
    let finished = finished.unwrap();
    assert_eq!(finished.exit_state, ExitState::Interrupted);
    let derived = derive(finished.folder.path()).unwrap();
    assert_eq!(derived.manifest.exit_state, ExitState::Interrupted);
    assert_eq!(derived.cells.cells.len(), 1);
    let records: Vec<RequestRecord> = read_lines(&finished.folder.file("requests.jsonl")).unwrap();
    let cut = records
        .iter()
        .filter(|record| record.reason.as_deref() == Some("interrupted"));
    assert_eq!(cut.count(), 2);
}

/// Process id of the parent of a process.
fn parent_of(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in brackets may hold spaces; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_cell_whose_supervisor_was_killed_is_cut_short_and_measured_again() {
    let stops = Stops::default();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("truth").display().to_string();
    let backends = json!([marked_simulator("lost", &mark)]);
    let extra = json!({"load": {"concurrency": [2], "requests": 40}});
    let prepared = prepared(&config(folder.path(), &backends, &extra));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let output = folder.path().join("results");
    let killed = async {
        while let Some(event) = receiver.recv().await {
            if matches!(event, RunEvent::CellProgress { measured, .. } if measured > 0) {
                let supervisor = parent_of(processes_with(&mark)[0]);
                kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
                return;
            }
        }
        panic!("the run ended by itself");
    };
    let new = run::Destination::New(&output);
    let ran = run::run(&prepared, new, "0.0.0", sender, &stops);
    let (finished, ()) = tokio::join!(ran, killed);
    let finished = finished.unwrap();
    assert_eq!(finished.exit_state, ExitState::Incomplete);
    let run_folder = finished.folder.path().to_owned();
    let manifest = derive(&run_folder).unwrap().manifest;
    assert!(!manifest.cells[0].complete);
    assert_eq!(
        manifest.stages[0].failure.as_deref(),
        Some("its supervisor was killed while it was measured at concurrency 2")
    );
    drop(finished);
    assert_eq!(resumed(&prepared, &run_folder).await, ExitState::Done);
    let derived = derive(&run_folder).unwrap();
    assert_eq!(derived.cells.cells[0].counts.ok, 40);
}

/// Takes a run up again; how it then ended.
async fn resumed(prepared: &PreparedRun, folder: &Path) -> ExitState {
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let again = run::Destination::Resume(folder);
    let stops = Stops::default();
    let ran = run::run(prepared, again, "0.0.0", sender, &stops);
    ran.await.unwrap().exit_state
}

#[tokio::test]
async fn a_run_that_says_it_is_done_and_lacks_records_is_found_out_and_resumed() {
    let server = TestServer::start(|peer| llm(peer, "m"));
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), &json!([attached("b", &server)]), &json!({}));
    let prepared = prepared(&text);
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let output = folder.path().join("results");
    let new = run::Destination::New(&output);
    let finished = run::run(&prepared, new, "0.0.0", sender, &Stops::default()).await;
    let run_folder = finished.unwrap().folder.path().to_owned();
    let requests = run_folder.join("requests.jsonl");
    let all = fs::read_to_string(&requests).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    fs::write(&requests, lines[..lines.len() - 3].join("\n") + "\n").unwrap();
    let derived = derive(&run_folder).unwrap();
    assert_eq!(derived.manifest.exit_state, ExitState::Incomplete);
    let codes = derived
        .report
        .warnings
        .iter()
        .map(|w| w.kind.code().as_str());
    assert!(codes.into_iter().any(|code| code == "cell-cut-short"));
    assert_eq!(resumed(&prepared, &run_folder).await, ExitState::Done);
    assert_eq!(derive(&run_folder).unwrap().cells.cells[0].counts.ok, 8);
}
