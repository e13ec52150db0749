//! A run whose every request fails: valid files, exit code 3, the commonest
//! reason and one example of what was said.

use std::fs;

use crate::common::{inferbench, json_file, run_folder, said};
use inferbench_model::cell::row;
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::report;
use serde_json::Value;

/// The simulator's fault, the reason, and words of the example.
const FAULTS: [(&str, FailureReason, &str); 5] = [
    (
        "http-503:retry_after_s=7",
        FailureReason::Http(503),
        "simulated fault http-503 (the server asks to retry after 7 s)",
    ),
    (
        "error-in-stream:after=2",
        FailureReason::InBandError,
        "simulated fault error-in-stream",
    ),
    (
        "reset:after=2",
        FailureReason::ConnectionReset,
        "Connection reset by peer",
    ),
    (
        "cut:after=2",
        FailureReason::Truncated,
        "the server closed the connection inside the answer",
    ),
    (
        "stall:after=2",
        FailureReason::ReadTimeout,
        "the server was silent for load.idle_timeout",
    ),
];

fn follows(schema: &Value, file: &std::path::Path) {
    let value = json_file(file);
    let schema = jsonschema::validator_for(schema).unwrap();
    let wrong = schema.iter_errors(&value).next();
    assert!(wrong.is_none(), "{}: {wrong:?}", file.display());
}

fn fails_wholly(fault: &str, reason: FailureReason, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    let config = format!(
        "
name: failing
model: {{ id: simulated }}
backends:
  - label: bad
    plugin: sim
    options: {{ fixed_ttft_ms: 1, fixed_itl_ms: 1, faults: [\"{fault}\"] }}
    ready_check: health
workload: {{ input_tokens: 16, output_tokens: 8 }}
load: {{ concurrency: [2], requests: 6, idle_timeout: 200ms }}
repeats: 1
"
    );
    fs::write(&file, config).unwrap();
    let output = folder.path().join("results");
    let mut command = inferbench();
    command.arg("run").arg(&file).arg("--output").arg(&output);
    let said = said(&mut command);
    assert_eq!(said.code, Some(3), "{fault}: {}", said.err);
    let run = run_folder(&output);
    let answer = format!("bad: all 6 requests failed (6 {})", reason.word());
    let unbroken = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unbroken.contains(&answer), "{fault}: {}", said.out);
    assert!(unbroken.contains(words), "{fault}: {}", said.out);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains(&answer) && page.contains(words), "{fault}");
    follows(&row::schema(), &run.join("cells.json"));
    follows(&report::schema(), &run.join("report.json"));
    let requests = fs::read_to_string(run.join("requests.jsonl")).unwrap();
    let records: Vec<Value> = requests
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let measured = records.iter().filter(|r| r["phase"] == "measured");
    assert_eq!(measured.clone().count(), 6, "{fault}");
    for record in measured {
        assert_eq!(record["reason"], *reason.word(), "{record}");
    }
    let again = crate::common::said(inferbench().arg("report").arg(&run));
    assert_eq!(again.code, Some(0), "{fault}: {}", again.err);
}

#[test]
fn a_run_whose_every_request_fails_says_why_and_leaves_valid_files() {
    for (fault, reason, words) in FAULTS {
        fails_wholly(fault, reason, words);
    }
}

#[test]
fn events_of_different_size_are_marked_and_judged_by_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    let config = "
name: events
model: { id: simulated }
backends:
  - { label: single, plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 2 } }
  - { label: bundled, plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 6, tokens_per_event: 4 } }
workload: { input_tokens: 16, output_tokens: 16 }
load: { concurrency: [1], requests: 10 }
repeats: 2
";
    fs::write(&file, config).unwrap();
    let output = folder.path().join("results");
    let mut command = inferbench();
    command.arg("run").arg(&file).arg("--output").arg(&output);
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("ITL †"), "{}", said.out);
    assert!(flat.contains("4.00 in bundled"), "{}", said.out);
    let path = run_folder(&output).join("report.json");
    let report = json_file(&path);
    let tiles = report["tiles"].as_array().unwrap();
    let tile = tiles
        .iter()
        .find(|tile| tile["metric"] == "decode_ms_per_token")
        .unwrap();
    // Token by token 2 ms; a quarter as many events, each after four tokens of 6 ms.
    assert_eq!(tile["best"], "single");
    assert!(
        (tile["best_value"].as_f64().unwrap() - 2.0).abs() < 1.0,
        "{tile}"
    );
    assert!(
        (tile["second_value"].as_f64().unwrap() - 6.0).abs() < 1.5,
        "{tile}"
    );
}

#[test]
fn a_known_cause_has_one_hint_in_terminal_files_and_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    // The cause is far above the last 20 lines, as it is with several processes.
    let script = "echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB.' >&2; \
                  for n in $(seq 40); do echo \"  frame $n\" >&2; done; exit 1 # {port}";
    let config = serde_json::json!({
        "name": "dies", "model": {"id": "simulated"},
        "backends": [
            {"label": "dies", "plugin": "sim", "options": {"command": ["sh", "-c", script]}},
            {"label": "lives", "plugin": "sim", "options": {"fixed_ttft_ms": 1, "fixed_itl_ms": 1}},
        ],
        "workload": {"input_tokens": 4, "output_tokens": 2},
        "load": {"concurrency": [1], "requests": 2}, "repeats": 1
    });
    fs::write(&file, config.to_string()).unwrap();
    let output = folder.path().join("results");
    let mut command = inferbench();
    command.arg("run").arg(&file).arg("--output").arg(&output);
    let said = said(&mut command);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let cause = "cause: torch.OutOfMemoryError: CUDA out of memory.";
    assert!(said.err.contains(cause), "{}", said.err);
    assert_eq!(said.err.matches("hint: ").count(), 1, "{}", said.err);
    assert!(said.err.contains("  | "), "the log: {}", said.err);
    let run = run_folder(&output);
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let manifest: Value = serde_json::from_str(&read("run.json")).unwrap();
    let stages = manifest["stages"].as_array().unwrap();
    let stage = stages.iter().find(|s| s["backend"] == "dies").unwrap();
    assert_eq!(stage["cause"]["name"], "CUDA out of memory");
    assert_eq!(stage["log_tail"].as_array().unwrap().len(), 20);
    follows(&report::schema(), &run.join("report.json"));
    assert!(read("report.html").contains("Known cause: <b>CUDA out of memory</b>"));
}
