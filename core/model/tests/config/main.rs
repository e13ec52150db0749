//! Config files as a whole: what loads, and what a user reads where it does not.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod backends;
mod offered;
mod options;
mod workload;

use std::time::Duration;

use inferbench_model::config::{
    Arrivals, Config, ContainerRuntime, Devices, Length, Level, Loaded, PromptSource, Rate,
    ReadyCheck, Speed, load, schema,
};
use inferbench_model::yaml::YamlError;
use proptest::prelude::*;

/// Every key that a config may have, as the guide shows them.
const FULL: &str = include_str!("../cases/config/full.yaml");

const SMALL: &str = "\
name: a
model:
  id: m
backends:
  - plugin: sim
workload:
  input_tokens: 512
  output_tokens: 128
load:
  concurrency: [1, 2]
  requests: 64
";

fn read(text: &str) -> Result<Loaded, Vec<YamlError>> {
    load("bench.yaml", text, &|_| None)
}

fn refused(text: &str) -> Vec<(String, Option<String>)> {
    let line = |error: &YamlError| (error.to_string(), error.hint().map(str::to_owned));
    read(text).unwrap_err().iter().map(line).collect()
}

/// The one error of `SMALL` once `from` is replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from:?} is not in the config");
    let mut errors = refused(&SMALL.replacen(from, to, 1));
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).0
}

#[test]
fn the_full_example_loads() {
    let config = read(FULL).unwrap().config;
    assert_eq!(config.name, "qwen2.5-0.5b");
    assert_eq!(config.model.id, "Qwen/Qwen2.5-0.5B-Instruct");
    assert_eq!(config.model.dtype.as_deref(), Some("bfloat16"));
    assert_eq!(config.model.max_model_len, Some(4096));
    assert_eq!(config.model.tokenizer, None);
    let labels: Vec<&str> = config.backends.iter().map(|b| b.label()).collect();
    assert_eq!(labels, ["vllm", "sglang", "hf", "vllm-fp8", "prod"]);
    assert_eq!(config.backends[0].options["gpu_memory_utilization"], 0.9);
    assert_eq!(config.backends[2].max_concurrency, Some(8));
    assert_eq!(config.backends[3].options["extra_args"][1], "fp8");
    let attached = config.backends[4].attach.as_ref().unwrap();
    assert_eq!(attached.urls(), ["http://127.0.0.1:8000"]);
    assert_eq!(config.backends[0].ready_check, ReadyCheck::Request);
    let minutes = |n: u64| Duration::from_secs(60 * n);
    assert_eq!(config.backends[0].ready_limit(), minutes(20));
    assert_eq!(config.backends[0].connect_limit(), None);
    // Attached.
    assert_eq!(config.backends[4].ready_limit(), minutes(20));
    let half_a_minute = Some(Duration::from_secs(30));
    assert_eq!(config.backends[4].connect_limit(), half_a_minute);
    assert_eq!(config.workload.prompts, PromptSource::Synthetic);
    assert_eq!(config.workload.input_tokens, Length::Fixed(512));
    assert_eq!(config.load.levels().len(), 6);
    assert_eq!(config.load.arrivals, Arrivals::Poisson);
    assert_eq!(config.load.warmup_requests, 8);
    assert_eq!(config.load.timeout.as_s(), 600.0);
    assert_eq!((config.repeats, config.seed), (3, 1));
    assert_eq!(config.slo.tpot_ms, Some(50.0));
    assert_eq!(config.gpu.devices, Devices::All);
    assert!(!config.output_text);
}

#[test]
fn an_open_loop_and_length_distributions_load() {
    let text = SMALL
        .replace("concurrency: [1, 2]", "request_rate: [0.5, inf]")
        .replace("input_tokens: 512", "input_tokens: {uniform: [10, 20]}")
        .replace(
            "output_tokens: 128",
            "output_tokens: {normal: [100, 10], max: 120}",
        );
    let config = read(&text).unwrap().config;
    let rates = [0.5, f64::INFINITY].map(|rate| Level::RequestRate(Rate(rate)));
    assert_eq!(config.load.levels(), rates);
    assert_eq!(config.workload.input_tokens, Length::Uniform(10, 20));
    assert_eq!(config.workload.output_tokens.bounds(), (1, 120));
}

#[test]
fn keys_that_begin_with_x_are_free() {
    let text = format!("x-note: {{a: [1]}}\n{SMALL}").replace(
        "plugin: sim",
        "plugin: sim\n    x-why: because\n    options: {x-b: 1, headers: {x-api-key: k}}",
    );
    let options = read(&text).unwrap().config.backends[0].options.clone();
    assert_eq!(
        serde_json::Value::Object(options),
        serde_json::json!({"headers": {"x-api-key": "k"}})
    );
}

#[test]
fn variables_are_expanded() {
    let env = |name: &str| (name == "MODEL").then(|| "org/m".to_owned());
    let text = SMALL.replace("id: m", "id: ${MODEL}");
    let loaded = load("bench.yaml", &text, &env).unwrap();
    assert_eq!(loaded.config.model.id, "org/m");
}

#[test]
fn keys_of_the_future_are_unknown_keys() {
    let text = SMALL.replace("plugin: sim", "plugin: sim\n    cooldown: 3s");
    let (error, _) = refused(&text).remove(0);
    assert!(
        error.starts_with("bench.yaml:6:5: unknown key `cooldown` in `backends[0]`"),
        "{error}"
    );
    assert_eq!(
        changed("\nload:", "\nrepeat: 3\nload:"),
        "bench.yaml:9:1: unknown key `repeat`, did you mean `repeats`?"
    );
}

#[test]
fn every_finding_is_reported_at_once_in_the_order_of_the_text() {
    let text = SMALL
        .replace("name: a", "name: a/b")
        .replace("plugin: sim", "plugin: sim\n  - plugin: sim")
        .replace("concurrency: [1, 2]", "concurrency: [1, 0]")
        .replace("requests: 64", "requests: 0");
    let lines: Vec<String> = refused(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(
        lines,
        [
            "bench.yaml:1:7: `name` is \"a/b\", must not contain `/`: it becomes a folder name",
            "bench.yaml:6:5: `backends[1]` has the label \"sim\", like an earlier backend",
            "bench.yaml:11:20: `load.concurrency[1]` is 0, must be 1 request in flight or more",
            "bench.yaml:12:13: `load.requests` is 0, must be 1 or more",
        ]
    );
}

#[test]
fn the_schema_accepts_what_loads_and_refuses_an_unknown_key() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for text in [FULL, SMALL] {
        let json = read(text).unwrap().tree.to_json().unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    let mut json = read(SMALL).unwrap().tree.to_json().unwrap();
    json["x-note"] = 1.into();
    assert!(validator.is_valid(&json));
    json["lod"] = 1.into();
    assert!(!validator.is_valid(&json));
}

#[test]
fn a_config_survives_being_written_and_read_back() {
    let config = read(FULL).unwrap().config;
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

proptest! {
    #[test]
    fn loading_never_panics(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn loading_a_damaged_config_never_panics(
        at in 0..FULL.len(),
        length in 0..40usize,
        patch in "[\\[\\]{}:,'\"\\-0-9a-z.\\n \t&*!|>#$]{0,8}",
    ) {
        let mut text = FULL.to_owned();
        let end = (at + length).min(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(end) {
            text.replace_range(at..end, &patch);
        }
        if let Err(errors) = read(&text) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.line >= 1 && error.column >= 1);
            }
        }
    }
}
