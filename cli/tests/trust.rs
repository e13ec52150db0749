//! What the program says of its own trustworthiness: the self-check of each
//! cell, the limits of the machine, and the calibration.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Said, inferbench, json_file, plugin_dir, run_folder, said};
use serde_json::Value;

fn config(folder: &Path, pacing: &str, load: &str) -> std::path::PathBuf {
    let file = folder.join("bench.yaml");
    let text = format!(
        "
name: trust
model: {{ id: simulated }}
backends: [{{ plugin: sim, options: {{ {pacing} }} }}]
workload: {{ input_tokens: 16, output_tokens: 32 }}
load: {{ {load}, warmup_requests: 0 }}
repeats: 1
"
    );
    fs::write(&file, text).unwrap();
    file
}

/// The program behind a prefix of shell words such as `ulimit -n 64; exec`.
fn behind(prefix: &str, config: &Path, output: &Path) -> Said {
    let script = format!(r#"{prefix} "$@""#);
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_inferbench"))
        .arg("--plugin-dir")
        .arg(plugin_dir())
        .arg("run")
        .arg(config)
        .arg("--output")
        .arg(output);
    said(&mut command)
}

fn only_cell(output: &Path) -> Value {
    json_file(&run_folder(output).join("cells.json"))["cells"][0].clone()
}

#[test]
fn too_low_a_limit_of_open_files_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let pacing = "fixed_ttft_ms: 5, fixed_itl_ms: 1";
    let file = config(
        folder.path(),
        pacing,
        "concurrency: [1, 128], requests: 128",
    );
    let said = behind("ulimit -n 64; exec", &file, &output);
    assert_eq!(said.code, Some(2), "{}", said.err);
    let words = "is 128, which needs 192 open files: the hard limit of this process is 64";
    assert!(said.err.contains(words), "{}", said.err);
    assert!(said.err.contains("bench.yaml:6:"), "{}", said.err);
    assert!(!output.exists());
}

#[test]
fn a_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let pacing = "fixed_ttft_ms: 300, fixed_itl_ms: 10";
    let file = config(folder.path(), pacing, "concurrency: [128], requests: 128");
    let said = behind("ulimit -Sn 64; ulimit -Hn 512; exec", &file, &output);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let cell = only_cell(&output);
    assert_eq!(cell["counts"]["failed"], 0);
    let check = &cell["self_check"];
    assert_eq!(check["open_files_limit"], 512);
    let open = check["open_files"].as_u64().unwrap();
    assert!((128..512).contains(&open), "{open} open files");
}

#[test]
fn a_cell_records_what_the_client_did() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let pacing = "fixed_ttft_ms: 50, fixed_itl_ms: 10";
    let file = config(folder.path(), pacing, "concurrency: [4], requests: 8");
    let said = behind("exec", &file, &output);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let cell = only_cell(&output);
    let check = &cell["self_check"];
    for name in [
        "client_cpu_percent",
        "process_cpu_percent",
        "loop_lag_ms_p50",
        "loop_lag_ms_p99",
        "loop_lag_ms_max",
        "open_files",
        "local_ports_left",
        "clock_steps",
    ] {
        assert!(check[name].is_number(), "{name} is missing in {check}");
    }
    assert_eq!(
        cell["trustworthy"],
        cell["breaches"].as_array().unwrap().is_empty()
    );
}

#[test]
#[ignore = "needs two cores with nothing else on them, and taskset"]
fn a_client_beside_a_busy_loop_is_untrustworthy_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    let pacing = "fixed_ttft_ms: 0, fixed_itl_ms: 0";
    let file = config(folder.path(), pacing, "concurrency: [64], requests: 4000");
    let mut busy = Command::new("taskset")
        .args(["-c", "0", "sh", "-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let said = behind("exec taskset -c 0", &file, &output);
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let cell = only_cell(&output);
    assert_eq!(cell["trustworthy"], false, "{cell}");
    assert_eq!(cell["breaches"][0], "client-busy");
    let report = json_file(&run_folder(&output).join("report.json"));
    let text = report["warnings"][0]["text"].as_str().unwrap();
    // It is wrapped in the terminal.
    let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        out.contains(&format!("critical: sim: {text}")),
        "{}",
        said.out
    );
    assert!(said.out.contains("!: untrustworthy"), "{}", said.out);
    let page = fs::read_to_string(run_folder(&output).join("report.html")).unwrap();
    assert!(page.contains("untrustworthy"));
}

#[test]
fn a_quick_calibration_compares_with_the_truth_and_a_later_run_quotes_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let calibrated = said(
        inferbench()
            .args(["calibrate", "--quick", "--json"])
            .env("XDG_DATA_HOME", &data),
    );
    assert_eq!(calibrated.code, Some(0), "{}", calibrated.err);
    let found = json_file(&data.join("inferbench/calibration.json"));
    let printed: Value = serde_json::from_str(&calibrated.out).unwrap();
    assert_eq!(found, printed);
    let levels = found["levels"].as_array().unwrap();
    for (level, (streams, requests)) in levels.iter().zip([(1, 20), (64, 256), (256, 1024)]) {
        assert_eq!(level["concurrency"], streams);
        assert_eq!(level["requests"], requests, "each has its truth");
        // 31 gaps between 32 tokens.
        assert_eq!(level["itl_error_ms"]["n"], requests * 31);
    }
    // Not the whole 50 ms, as it would be against another clock. With many streams a busy
    // machine may really be late by as much.
    let typical = levels[0]["ttft_error_ms"]["p50"].as_f64().unwrap();
    assert!(typical.abs() < 25.0, "{}", levels[0]);
    assert!(found["fast"]["tokens_per_s"].as_f64().unwrap() > 0.0);

    let output = folder.path().join("results");
    let pacing = "fixed_ttft_ms: 5, fixed_itl_ms: 1";
    let file = config(folder.path(), pacing, "concurrency: [1], requests: 2");
    let run = said(
        inferbench()
            .env("XDG_DATA_HOME", &data)
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report = json_file(&run_folder(&output).join("report.json"));
    let facts = report["environment"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["name"] == "Calibration");
    let text = fact.unwrap()["text"].as_str().unwrap();
    assert!(text.contains("tokens/s"), "{text}");
}
