//! Whole runs, from the config's text to the run folder and what is derived
//! from it.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::runs::{attached, llm, llm_with, run, sim};
use crate::common::server::TestServer;
use inferbench_engine::event::RunEvent;
use inferbench_engine::store::read_lines;
use inferbench_model::facts::cache_audit::PrefixCacheState;
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::facts::record::Phase;
use serde_json::{Value, json};

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
