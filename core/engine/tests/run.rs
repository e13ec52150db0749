//! Whole runs, from the config's text to the run folder and what is derived
//! from it.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::server::{
    Peer, Request, SSE_HEAD, TestServer, answer, chunk, ending, event, wait_until,
};
use inferbench_engine::derive::{Derived, derive};
use inferbench_engine::event::RunEvent;
use inferbench_engine::prepare::{PreparedRun, prepare};
use inferbench_engine::run::{self, Finished, Stops};
use inferbench_engine::store::read_lines;
use inferbench_model::config::load;
use inferbench_model::facts::cache_audit::PrefixCacheState;
use inferbench_model::facts::manifest::{ExitState, Manifest, StageFacts};
use inferbench_model::facts::record::{Phase, RequestRecord};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A tokenizer of a hundred words, for prompts that are both text and ids.
fn tokenizer(folder: &Path) -> PathBuf {
    let vocabulary: serde_json::Map<String, Value> =
        (0..100).map(|id| (format!("w{id}"), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"}
    });
    let file = folder.join("tokenizer.json");
    fs::write(&file, tokenizer.to_string()).unwrap();
    file
}

/// A config over these backends; JSON is YAML too.
fn config(folder: &Path, backends: &Value, extra: &Value) -> String {
    let mut config = json!({
        "name": "t",
        "model": {"id": "m", "tokenizer": tokenizer(folder)},
        "backends": backends,
        "workload": {"input_tokens": 8, "output_tokens": 4},
        "load": {"concurrency": [2], "requests": 8, "warmup_requests": 2},
        "repeats": 1,
        "gpu": {"sample_every": "50ms"}
    });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

fn prepared(text: &str) -> PreparedRun {
    let loaded = load("t.yaml", text, &|_| None).unwrap();
    prepare(&loaded, common::host()).unwrap()
}

struct Ran {
    finished: Finished,
    events: Vec<RunEvent>,
    folder: TempDir,
}

impl Ran {
    fn file(&self, name: &str) -> PathBuf {
        self.finished.folder.file(name)
    }

    fn manifest(&self) -> Manifest {
        serde_json::from_slice(&fs::read(self.file("run.json")).unwrap()).unwrap()
    }

    fn records(&self) -> Vec<RequestRecord> {
        read_lines(&self.file("requests.jsonl")).unwrap()
    }

    fn derived(&self) -> Derived {
        derive(self.finished.folder.path()).unwrap()
    }

    fn stage(&self, backend: &str) -> StageFacts {
        let stages = self.manifest().stages;
        let of_backend = |stage: &StageFacts| stage.backend == backend;
        stages.into_iter().find(of_backend).unwrap()
    }
}

async fn run_with(folder: TempDir, backends: Value, extra: Value, stops: &Stops) -> Ran {
    let prepared = prepared(&config(folder.path(), &backends, &extra));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let output = folder.path().join("results");
    let finished = run::run(
        &prepared,
        run::Destination::New(&output),
        "0.0.0",
        sender,
        stops,
    )
    .await
    .unwrap();
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    Ran {
        finished,
        events,
        folder,
    }
}

async fn run(backends: Value, extra: Value) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    run_with(folder, backends, extra, &Stops::default()).await
}

/// An OpenAI server of the model `model`: four tokens, the first after 10 ms,
/// the others 4 ms apart.
fn llm(peer: &mut Peer, model: &str) {
    llm_with(peer, model, |_| 10);
}

/// The same, its first token after as many ms as `first_ms` says of a request.
fn llm_with(peer: &mut Peer, model: &str, first_ms: impl Fn(&Request) -> u64) {
    while let Some(request) = peer.request() {
        match request.line() {
            "GET /v1/models" => {
                let models = json!({"object": "list", "data": [{"id": model}]});
                peer.write(answer(
                    "200 OK",
                    "application/json",
                    "",
                    &models.to_string(),
                ));
            }
            "GET /health" | "POST /reset_prefix_cache" => {
                peer.write(answer("200 OK", "application/json", "", "{}"));
            }
            "POST /v1/completions" => {
                let first_ns = request.read_ns + first_ms(&request) * 1_000_000;
                peer.write(SSE_HEAD);
                for n in 0..4 {
                    wait_until(first_ns + n * 4_000_000);
                    peer.write(chunk(event("t")));
                }
                peer.write(chunk(ending(8, 4)));
                peer.write("0\r\n\r\n");
            }
            _ => {
                peer.write(answer("404 Not Found", "text/plain", "", "no such path"));
            }
        }
    }
}

fn attached(label: &str, server: &TestServer) -> Value {
    json!({"label": label, "plugin": "openai", "attach": server.url()})
}

fn launched(label: &str, command: &[&str]) -> Value {
    json!({"label": label, "plugin": "openai", "options": {"command": command}})
}

fn sim() -> String {
    let program = common::find_program("inferbench-sim");
    let program = program.expect("no inferbench-sim: run `cargo build --workspace` first");
    program.to_str().unwrap().to_owned()
}

/// Whether the process is gone.
fn is_gone(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

/// Process ids of all processes whose command line holds `mark`.
fn processes_with(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(mark) {
            found.push(pid);
        }
    }
    found
}

#[tokio::test]
async fn a_good_run_leaves_whole_files_and_cells_can_be_derived() {
    let server = TestServer::start(|peer| llm(peer, "m"));
    let sim = json!({
        "plugin": "sim",
        "options": {"command": [sim()], "fixed_ttft_ms": 20, "fixed_itl_ms": 5}
    });
    let ran = run(json!([attached("prod", &server), sim]), json!({})).await;
    assert_eq!(ran.finished.exit_state, ExitState::Done, "{:?}", ran.events);
    let manifest = ran.manifest();
    assert_eq!(manifest.exit_state, ExitState::Done);
    assert_eq!((manifest.stages.len(), manifest.cells.len()), (2, 2));
    assert_eq!(manifest.anchors.len(), 2);
    assert!(manifest.is_simulated());
    assert!(ran.stage("sim").ready_s.is_some());
    assert_eq!(ran.stage("prod").command, None);

    let records = ran.records();
    for backend in ["prod", "sim"] {
        let of_backend = records.iter().filter(|r| r.backend == backend);
        let measured = of_backend.filter(|r| r.phase == Phase::Measured);
        let measured: Vec<_> = measured.collect();
        assert_eq!(measured.len(), 8, "{backend}");
        for record in measured {
            assert!(record.is_ok(), "{record:?}");
            assert_eq!(record.input_tokens, Some(8));
            assert_eq!(record.output_tokens, Some(4));
            assert_eq!(record.asked_input_tokens, Some(8));
        }
    }
    let hosts: Vec<Value> = read_lines(&ran.file("host.jsonl")).unwrap();
    assert!(hosts.iter().any(|sample| sample["backend"] == "sim"));
    let samples: Vec<Value> = read_lines(&ran.file("server_metrics.jsonl")).unwrap();
    assert!(samples.iter().all(|sample| sample["backend"] == "sim"));
    assert!(!samples.is_empty());
    assert!(ran.file("gpu.jsonl").is_file());
    for name in ["command.txt", "stdout.log", "stderr.log"] {
        assert!(ran.file("logs/sim/0").join(name).is_file(), "{name}");
    }

    let derived = ran.derived();
    assert_eq!(derived.cells.cells.len(), 2);
    for row in &derived.cells.cells {
        let row = serde_json::to_value(row).unwrap();
        assert_eq!(row["counts"]["ok"], 8, "{row}");
        // The server's own pace: 10 ms, or 20 for the simulator.
        let ttft = row["ttft_ms"]["p50"].as_f64().unwrap();
        let pace = if row["backend"] == "sim" { 20.0 } else { 10.0 };
        assert!((pace - 1.0..pace + 25.0).contains(&ttft), "{row}");
    }
}

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
                peer.write(common::server::good_answer());
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

/// A server that answers what it was asked before after 10 ms, and all else
/// after 60 ms.
fn with_a_cache_of_answers() -> TestServer {
    let seen = Mutex::new(HashSet::new());
    TestServer::start(move |peer| {
        llm_with(peer, "m", |request| {
            let is_new = seen.lock().unwrap().insert(request.body.clone());
            if is_new { 60 } else { 10 }
        });
    })
}

#[tokio::test]
async fn a_cache_of_answers_is_found_before_the_first_cell() {
    let (cached, honest) = (
        with_a_cache_of_answers(),
        TestServer::start(|p| llm(p, "m")),
    );
    // This plugin empties the prefix cache, which those servers do not have.
    let vllm = |label: &str, server: &TestServer| json!({"label": label, "plugin": "vllm", "attach": server.url()});
    let backends = json!([vllm("cached", &cached), vllm("honest", &honest)]);
    let ran = run(backends, json!({})).await;
    let facts = ran.stage("cached").cache_audit.unwrap();
    assert_eq!(facts.prefix_cache, PrefixCacheState::Emptied);
    assert_eq!((facts.distinct_ms.len(), facts.repeated_ms.len()), (6, 6));
    let report = ran.derived().report;
    let audit_of = |backend: usize| report.backends[backend].cache_audit.as_ref().unwrap();
    // 10 + 12 ms against 60 + 12
    assert!(
        (audit_of(0).ratio - 22.0 / 72.0).abs() < 0.1,
        "{:?}",
        audit_of(0)
    );
    assert!(audit_of(0).is_cached() && !audit_of(1).gains);
    let warning = &report.warnings[0];
    assert!(
        warning
            .text
            .starts_with("The same prompt asked again, not the same for all: cached: takes 0.3"),
        "{}",
        warning.text
    );
    // None of its requests is a request of a cell.
    let of_cached = ran.records().into_iter().filter(|r| r.backend == "cached");
    let measured = of_cached.filter(|record| record.phase == Phase::Measured);
    assert_eq!(measured.count(), 8);
}

#[tokio::test]
async fn where_only_the_runs_own_requests_are_wanted_nothing_is_audited() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = TestServer::start(move |peer| {
        llm_with(peer, "m", |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            10
        });
    });
    let mut backend = attached("quiet", &server);
    backend["ready_check"] = json!("none");
    let ran = run(json!([backend]), json!({})).await;
    assert_eq!(ran.stage("quiet").cache_audit, None);
    assert_eq!(asked.load(Ordering::Relaxed), ran.records().len());
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

#[tokio::test]
async fn an_interrupted_run_stops_its_server_and_leaves_valid_files() {
    let stops = Stops::default();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("truth").display().to_string();
    let command = [
        &sim(),
        "--port",
        "{port}",
        "--model",
        "{served_name}",
        "--fixed-ttft-ms",
        "20",
        "--fixed-itl-ms",
        "5",
        "--truth-file",
        &mark,
    ];
    let backends = json!([launched("long", &command)]);
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
    let command = [
        &sim(),
        "--port",
        "{port}",
        "--model",
        "{served_name}",
        "--fixed-ttft-ms",
        "20",
        "--fixed-itl-ms",
        "5",
        "--truth-file",
        &mark,
    ];
    let backends = json!([launched("lost", &command)]);
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

#[tokio::test]
async fn an_engine_in_this_process_is_measured_block_after_block_in_the_logged_order() {
    let engine = |label: &str| json!({"label": label, "plugin": "fixture-engine", "options": {"itl_ms": 4.0}});
    let backends = json!([engine("a"), engine("b"), engine("c")]);
    let ran = run(backends, json!({"repeats": 2})).await;
    assert_eq!(ran.finished.exit_state, ExitState::Done, "{:?}", ran.events);
    let manifest = ran.manifest();
    let planned = manifest.plan.stages.iter();
    let planned: Vec<_> = planned.map(|s| (s.block, s.backend.clone())).collect();
    let done = manifest.stages.iter();
    let done: Vec<_> = done.map(|s| (s.block, s.backend.clone())).collect();
    assert_eq!(planned, done);
    let started = ran.events.iter().filter_map(|event| match event {
        RunEvent::Starting { backend, block, .. } => Some((*block, backend.clone())),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), done);
    for block in 0..2u32 {
        let mut labels: Vec<&str> = done
            .iter()
            .filter(|(of, _)| *of == block)
            .map(|(_, label)| label.as_str())
            .collect();
        labels.sort_unstable();
        assert_eq!(labels, ["a", "b", "c"]);
    }
    let records = ran.records();
    let measured: Vec<_> = records
        .iter()
        .filter(|r| r.phase == Phase::Measured)
        .collect();
    assert_eq!(measured.len(), 6 * 8);
    for record in measured {
        assert!(record.is_ok(), "{record:?}");
        // The first token comes after the 4 ms that every token takes.
        let ttft = record.ttft_ms.unwrap();
        assert!(ttft >= 4.0, "{ttft}");
        assert_eq!(record.itl_ms.len(), 3);
        assert_eq!(record.output_tokens, Some(4));
        assert_eq!(record.input_tokens, Some(8));
        assert_eq!((record.http_status, record.connect_ms), (None, None));
    }
    assert_eq!(ran.derived().cells.cells.len(), 6);
}

#[tokio::test]
async fn samples_that_are_torn_or_out_of_order_leave_a_note_and_the_report() {
    let engine = json!([{"label": "a", "plugin": "fixture-engine"}]);
    let ran = run(engine, json!({})).await;
    let whole = ran.derived().report.timeline.unwrap();
    assert_eq!(whole.notes, Vec::<String>::new());
    let path = ran.file("host.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let mut bytes = format!("{first}\n{{\"t_ns\": 12, \"back\n").into_bytes();
    bytes.extend(b"\xff\xfe\n");
    bytes.extend(format!("{rest}{first}\n{{\"t_ns\": 1").bytes());
    fs::write(&path, bytes).unwrap();
    fs::remove_file(ran.file("gpu.jsonl")).unwrap();
    let torn = ran.derived().report.timeline.unwrap();
    assert_eq!(
        torn.notes,
        [
            "lines of host.jsonl skipped, which cannot be read: 2",
            "samples skipped, with a time that runs backwards: 1",
        ]
    );
    assert_eq!(torn.series, whole.series);
    assert_eq!(torn.cells.len(), 1);
}
