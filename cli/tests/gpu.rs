//! Whole runs with a stand-in for NVML, without NVML, and with one that hangs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;

use common::place::Place;
use common::{Said, plugin_dir, said};
use serde_json::{Value, json};

const CONFIG: &str = "
name: gpu
model: { id: simulated }
backends: [{ plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 10 } }]
workload: { input_tokens: 16, output_tokens: 64 }
load: { concurrency: [1], requests: 4, warmup_requests: 0 }
repeats: 1
gpu: { sample_every: 10ms }
";

/// A run with the stand-in playing this, its `run.json`, cells and GPU samples.
fn play(script: &Value) -> (Said, Value, Value, Vec<Value>) {
    let place = Place::new(CONFIG);
    fs::write(place.path("script.json"), script.to_string()).unwrap();
    let stand_in = ["", "deps"].map(|in_| plugin_dir().join(in_).join("libstandin_nvml.so"));
    let stand_in = stand_in.into_iter().find(|file| file.is_file());
    let mut command = place.run();
    command
        .env(
            "INFERBENCH_NVML",
            stand_in.expect("run `cargo build --workspace` first"),
        )
        .env("INFERBENCH_STANDIN_NVML", place.path("script.json"));
    let said = said(&mut command);
    let read = |name| fs::read_to_string(place.folder().join(name)).unwrap();
    let json = |name| serde_json::from_str::<Value>(&read(name)).unwrap();
    let samples = read("gpu.jsonl");
    let samples = samples
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (
        said,
        json("run.json"),
        json("cells.json"),
        samples.collect(),
    )
}

fn warnings(run: &Value) -> Vec<String> {
    let warnings = run["warnings"].as_array().unwrap().iter();
    warnings
        .map(|one| one["values"]["detail"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_with_the_stand_in_has_its_figures_and_says_whose_they_are() {
    // 250 W for as long as it takes: 250 J a second, by power and by counter.
    let (said, run, cells, samples) = play(&json!({"devices": [{
        "uuid": "GPU-8f01", "power_milliwatts": 250_000,
        "energy_millijoules": {"lines": [[0, 0], [1000, 250_000_000]]},
        "memory": {"total_bytes": 80_000, "used_bytes": 600}, "utilization_percent": 71,
    }]}));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("GPU figures come from a stand-in")
            || said.out.contains("GPU figures come from a stand-in")
    );
    assert_eq!(
        warnings(&run),
        ["GPU figures come from a stand-in: no real device was measured"]
    );
    assert_eq!(run["gpus"][0]["name"], "Stand-in GPU (no real device)");
    assert!(samples.iter().all(|sample| sample["power_watts"] == 250.0));
    let hardware = &cells["cells"][0]["hardware"]["gpus"][0];
    assert!(hardware.is_object(), "{}", cells["cells"][0]);
    // The power before the first start is the same, so that nothing is above it: next to
    // nothing, or none where the counter was read a little early.
    let energy = &hardware["energy"];
    let number = |key: &str| energy[key].as_f64();
    let joules = number("joules").unwrap();
    assert!(
        (number("idle_watts").unwrap() - 250.0).abs() < 1e-6,
        "{energy}"
    );
    match number("above_idle_joules") {
        Some(above) => assert!((0.0..0.02 * joules).contains(&above), "{energy}"),
        None => assert!(energy["above_idle_absence"].is_string(), "{energy}"),
    }
}

#[test]
fn g02_a_run_without_nvml_says_why_in_one_line_and_ends_as_ever() {
    let place = Place::new(CONFIG);
    let mut command = place.run();
    command.env("INFERBENCH_NVML", "/nowhere/nvml.so");
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = fs::read_to_string(place.folder().join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    let absence = run["gpu_absence"].as_str().unwrap();
    assert!(absence.starts_with("no NVIDIA library: /nowhere/nvml.so does not load"));
    assert!(!absence.contains('\n'));
    assert_eq!(run["gpus"], json!([]));
}

#[test]
fn a_run_whose_nvml_hangs_goes_on_to_its_end() {
    let (said, run, cells, samples) = play(&json!({"devices": [{
        "power_milliwatts": 250_000, "hangs_from_s": 0.5,
    }]}));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(run["exit_state"], "done");
    assert_eq!(cells["cells"][0]["counts"]["ok"], 4);
    assert!(!samples.is_empty());
    let warned = warnings(&run);
    let hang = warned
        .iter()
        .any(|line| line.ends_with("NVML did not return from a call"));
    assert!(hang, "{warned:?}");
}
