//! A tuning of simulated engines, the best of which is known by arithmetic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Said, inferbench, json_file, plugin_dir, run_folder, said};
use serde_json::{Value, json};

/// A step takes 10 ms and 0.2 ms for each running request, so that with eight requests in
/// flight eight at once give 8 / 11.6 ms, four 4 / 10.8 ms and two 2 / 10.4 ms: 690, 370
/// and 192 tokens/s.
fn config(folder: &Path, sweep: &str, more: &str) -> PathBuf {
    let file = folder.join("bench.yaml");
    let text = format!(
        "name: tuned\nmodel: {{ id: m }}\n\
         backends:\n  - plugin: sim\n    options: {{ step_base_us: 10000, step_per_seq_us: 200, prefill_us_per_token: 1 }}\n    sweep: {{ {sweep} }}\n\
         workload: {{ input_tokens: 16, output_tokens: 6 }}\n\
         load: {{ concurrency: [8], requests: 64 }}\n\
         tune: {{ objective: throughput{more} }}\n\
         repeats: 2\n"
    );
    fs::write(&file, text).unwrap();
    file
}

const SWEEP: &str = "options.max_num_seqs: [2, 4, 8], options.prefix_caching: [false, true]";

fn run(config: &Path, output: &Path) -> Said {
    let mut program = inferbench();
    said(program.arg("run").arg(config).arg("--output").arg(output))
}

fn verified(folder: &Path) -> Said {
    said(inferbench().arg("verify").arg(folder))
}

/// Starts of each block.
fn starts(manifest: &Value) -> Vec<usize> {
    let stages = manifest["stages"].as_array().unwrap();
    let in_block = |block: usize| stages.iter().filter(|s| s["block"] == block).count();
    (0..4).map(in_block).collect()
}

#[test]
fn the_best_settings_are_found_and_every_start_can_be_decided_again() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let ran = run(&config(place.path(), SWEEP, ""), &output);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let folder = run_folder(&output);
    let manifest = json_file(&folder.join("run.json"));
    // Six have a look of half the requests, three are measured in two repeats.
    assert_eq!(starts(&manifest), [6, 3, 3, 0]);
    let report = json_file(&folder.join("report.json"));
    let tuning = &report["tuning"][0];
    assert_eq!(tuning["end"], "done");
    assert_eq!(tuning["points"][0]["settings"]["options.max_num_seqs"], 8);
    assert_eq!(tuning["config"]["options"]["max_num_seqs"], 8);
    assert!(tuning["config"].get("point").is_none());
    let effects = tuning["effects"].as_array().unwrap();
    let eight = effects.iter().find(|effect| effect["values"] == json!([8]));
    let ratio = eight.unwrap()["ratio"].as_f64().unwrap();
    // 690 / 192, less what a busy machine takes.
    assert!((2.5..4.2).contains(&ratio), "{ratio}");
    let verified = verified(&folder);
    assert!(!verified.out.contains("V22  reject"), "{}", verified.out);
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for part in [
        "The best settings of sim",
        "Which settings mattered",
        "--max-num-seqs 8",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_point_that_dies_is_a_result_with_its_cause() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    // It answers what it is asked when it is started, and crashes in its first measurement.
    let sweep =
        "zip: { options.max_num_seqs: [2, 4, 8], options.exit_after_requests: [9999, 9999, 4] }";
    let ran = run(&config(place.path(), sweep, ", finalists: 2"), &output);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let folder = run_folder(&output);
    let report = json_file(&folder.join("report.json"));
    let tuning = &report["tuning"][0];
    assert_eq!(tuning["points"][0]["settings"]["options.max_num_seqs"], 4);
    let failed = &tuning["points"][2];
    assert_eq!(failed["end"], "failed");
    assert_eq!(failed["rounds"].as_array().unwrap().len(), 1);
    assert!(
        failed["failure"].as_str().unwrap().contains("ended"),
        "{failed}"
    );
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn a_tuning_that_was_killed_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let config = config(place.path(), SWEEP, "");
    let mut child = inferbench()
        .arg("run")
        .arg(&config)
        .arg("--output")
        .arg(&output)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let measured = || {
        let mut runs = fs::read_dir(&output).ok()?;
        let folder = runs.next()?.ok()?.path();
        let text = fs::read(folder.join("run.json")).ok()?;
        let manifest: Value = serde_json::from_slice(&text).ok()?;
        Some(manifest["cells"].as_array()?.len())
    };
    let began = Instant::now();
    while measured().unwrap_or(0) < 7 {
        assert!(began.elapsed() < Duration::from_secs(300));
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = run_folder(&output);
    let before = json_file(&folder.join("run.json"));
    let mut program = inferbench();
    let resumed = said(program.arg("run").arg(&config).arg("--resume").arg(&folder));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let after = json_file(&folder.join("run.json"));
    let kept = before["cells"].as_array().unwrap();
    assert_eq!(&after["cells"].as_array().unwrap()[..kept.len()], kept);
    assert_eq!(starts(&after), [6, 3, 3, 0]);
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn a_start_that_its_figures_do_not_call_for_is_found() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let sweep = "options.max_num_seqs: [2, 4, 8]";
    run(&config(place.path(), sweep, ", finalists: 2"), &output);
    let folder = run_folder(&output);
    let mut manifest = json_file(&folder.join("run.json"));
    let cells = manifest["cells"].as_array_mut().unwrap();
    // The slowest look says that it was the best one.
    let slow = |cell: &&mut Value| cell["block"] == 0 && cell["backend"] == "sim max_num_seqs 2";
    let slow = cells.iter_mut().find(slow).unwrap();
    slow["objective"] = json!(1e6);
    fs::write(folder.join("run.json"), manifest.to_string()).unwrap();
    let verified = verified(&folder);
    assert_eq!(verified.code, Some(4));
    for words in [
        "V22",
        "another value of the objective",
        "calls for a start of",
    ] {
        assert!(verified.out.contains(words), "{words}: {}", verified.out);
    }
}

#[test]
fn a_budget_of_a_second_says_what_it_knows() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let ran = run(&config(place.path(), SWEEP, ", budget: 1s"), &output);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let report = json_file(&run_folder(&output).join("report.json"));
    let tuning = &report["tuning"][0];
    assert_eq!(
        (&tuning["end"], &tuning["verdict"]),
        (&json!("out_of_time"), &json!("no_verdict"))
    );
    let out = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("in a short look"), "{out}");
    assert!(out.contains("5 points had no look"), "{out}");
}

#[test]
fn a_tuning_for_energy_takes_its_values_out_of_the_samples() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let file = config(
        place.path(),
        "options.max_num_seqs: [2, 4, 8]",
        ", finalists: 2",
    );
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("objective: throughput", "objective: tokens_per_joule");
    fs::write(&file, text).unwrap();
    // 250 W at all times: the most tokens per second are the most per joule.
    let script = json!({"devices": [{
        "uuid": "GPU-8f01", "power_milliwatts": 250_000,
        "energy_millijoules": {"lines": [[0, 0], [1000, 250_000_000]]},
    }]});
    let played = place.path().join("script.json");
    fs::write(&played, script.to_string()).unwrap();
    let stand_in = ["", "deps"].map(|in_| plugin_dir().join(in_).join("libstandin_nvml.so"));
    let stand_in = stand_in.into_iter().find(|file| file.is_file()).unwrap();
    let mut program = inferbench();
    let program = program.arg("run").arg(&file).arg("--output").arg(&output);
    let program = program.env("INFERBENCH_NVML", stand_in);
    let ran = said(program.env("INFERBENCH_STANDIN_NVML", played));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let folder = run_folder(&output);
    let report = json_file(&folder.join("report.json"));
    let best = &report["tuning"][0]["points"][0];
    assert_eq!(best["settings"]["options.max_num_seqs"], 8, "{best}");
    // 690 tokens/s of 250 W, less what a busy machine takes.
    let value = best["value"].as_f64().unwrap();
    assert!((1.4..2.9).contains(&value), "{value}");
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn without_energy_a_tuning_for_it_has_no_best() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let file = config(place.path(), "options.max_num_seqs: [4, 8]", "");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("objective: throughput", "objective: tokens_per_joule");
    fs::write(&file, text).unwrap();
    let mut program = inferbench();
    let program = program.arg("run").arg(&file).arg("--output").arg(&output);
    let ran = said(program.env("INFERBENCH_NVML", "/nowhere/nvml.so"));
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let out = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("sim: no point has a value."), "{out}");
    assert!(out.contains("no energy is known of 2 points"), "{out}");
}

#[test]
fn a_tuning_for_capacity_searches_at_every_look() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("results");
    let file = place.path().join("bench.yaml");
    // With one running request a step takes 10 ms, and 20 ms more for each other one:
    // 50 ms with three, 70 ms with four, and twice that in the other backend.
    let text = "name: tuned\nmodel: { id: m }\n\
         backends:\n  - plugin: sim\n    options: { prefill_us_per_token: 1, step_base_us: 1000 }\n    sweep: { options.step_per_seq_us: [20000, 40000] }\n\
         workload: { input_tokens: 16, output_tokens: 6 }\n\
         load:\n  search: { over: concurrency, slo: { tpot_ms: { p50: 111 } }, to: 16 }\n  requests: { per_slot: 2, min: 10 }\n\
         tune: { objective: capacity }\nrepeats: 2\n";
    fs::write(&file, text).unwrap();
    let ran = run(&file, &output);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let folder = run_folder(&output);
    let report = json_file(&folder.join("report.json"));
    let tuning = &report["tuning"][0];
    // 101 ms with five of 20 ms, 121 with six; 81 ms with two of 40 ms, 121 with three.
    let best = &tuning["points"][0];
    assert_eq!(best["settings"]["options.step_per_seq_us"], 20000);
    let edge = |value: &Value| value.as_f64().unwrap();
    assert!(
        (edge(&best["value"]) - 30_f64.sqrt()).abs() < 1e-9,
        "{best}"
    );
    assert!((edge(&tuning["points"][1]["value"]) - 6_f64.sqrt()).abs() < 1e-9);
    assert_eq!(report["capacity"].as_array().unwrap().len(), 2);
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn what_a_tuning_cannot_be_is_refused_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(config(folder.path(), SWEEP, "")).unwrap();
    for (from, to, error) in [
        (
            "    sweep: { options.max_num_seqs: [2, 4, 8], options.prefix_caching: [false, true] }\n",
            "",
            "`tune` is set, but no backend has a `sweep`",
        ),
        (
            "throughput }",
            "speed }",
            "`tune.objective` is \"speed\", must be one of",
        ),
        (
            "throughput }",
            "throughput, finalists: 1 }",
            "`tune.finalists` is 1, must be 2 to 10",
        ),
        (
            "throughput }",
            "throughput, budget: 0s }",
            "`tune.budget` is 0, must be above 0",
        ),
        (
            "throughput }",
            "capacity }",
            "`tune.objective` is capacity, but the load is no search for it",
        ),
        (
            "concurrency: [8]",
            "request_rate: [8]",
            "is throughput, which at a request rate is what is offered",
        ),
        (
            "throughput }",
            "throughput, slo: { failed: 1% } }",
            "`tune.slo` has no limit of a latency",
        ),
        (
            "throughput }",
            "throughput, slo: { ttft_ms: { p99: 50 } } }",
            "is of 64 requests, and a p99 needs 100 or more",
        ),
        (
            "concurrency: [8]",
            "search: { over: concurrency, slo: { ttft_ms: { p50: 9 } }, to: 9, budget: 9s }",
            "is set beside `tune`",
        ),
        ("options.max_num_seqs", "options.max_seqs", "max_seqs"),
    ] {
        assert!(text.contains(from), "{from}");
        let file = folder.path().join("other.yaml");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let said = said(inferbench().arg("validate").arg(&file));
        assert_eq!(said.code, Some(2), "{to}: {}", said.out);
        assert!(said.err.contains(error), "{to}: {}", said.err);
    }
}

#[test]
fn validate_says_how_many_starts_and_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(
        inferbench()
            .arg("validate")
            .arg(config(folder.path(), SWEEP, "")),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line = "tuning: at most 12 starts: 6 with 1/2 of the requests, 3 in full, 3 in full";
    assert!(said.out.contains(line), "{}", said.out);
    assert!(said.out.contains("likely time: "), "{}", said.out);
    assert!(said.out.contains("started at most 3 times"), "{}", said.out);
}
