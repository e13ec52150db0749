//! Config files as a whole: what loads, and what a user reads where it does not.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use inferbench_model::config::{
    Arrivals, Config, ContainerRuntime, Devices, Length, Level, Loaded, PromptSource, Rate,
    ReadyCheck, Speed, load, schema,
};
use inferbench_model::yaml::YamlError;
use proptest::prelude::*;

/// Every key that a config may have, as the guide shows them.
const FULL: &str = include_str!("cases/config/full.yaml");

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
    assert_eq!(
        config.backends[4].attach.as_deref(),
        Some("http://127.0.0.1:8000")
    );
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
fn names_that_cannot_name_are_refused() {
    for (from, to, error) in [
        (
            "name: a",
            "name: a\ncurrency: \"\"",
            "2:11: `currency` is empty, must name the currency of the prices",
        ),
        (
            "name: a",
            "name: \"\"",
            "1:7: `name` is empty, must name the run",
        ),
        (
            "id: m",
            "id: \" \"",
            "3:7: `model.id` is empty, must be a hub id or a local folder",
        ),
        (
            "id: m",
            "id: m\n  max_model_len: 0",
            "4:18: `model.max_model_len` is 0, must be 1 token or more",
        ),
        (
            "backends:\n  - plugin: sim",
            "backends: []",
            "4:1: `backends` is empty, must list at least one backend",
        ),
        (
            "plugin: sim",
            "plugin: sim\n    label: a/b",
            "6:12: `backends[0].label` is \"a/b\", must be of letters, digits and `-_.+`: it becomes a folder name",
        ),
    ] {
        let text = SMALL.replacen(from, to, 1);
        let found: Vec<String> = refused(&text).into_iter().map(|(line, _)| line).collect();
        assert!(found.contains(&format!("bench.yaml:{error}")), "{found:?}");
    }
}

#[test]
fn a_backend_that_cannot_be_had_is_refused() {
    for (extra, error) in [
        (
            "attach: localhost:8000",
            "6:13: `backends[0].attach` is \"localhost:8000\", must be a URL such as http://127.0.0.1:8000",
        ),
        (
            "attach: http://127.0.0.1:1\n    env: {A: b}",
            "7:5: `backends[0].env` is set beside `attach`: the environment of a running server cannot be changed",
        ),
        (
            "max_concurrency: 0",
            "6:22: `backends[0].max_concurrency` is 0, must be 1 or more",
        ),
        (
            "ready_timeout: 0s",
            "6:20: `backends[0].ready_timeout` is 0, must be above 0",
        ),
        (
            "price_per_hour: -2.5",
            "6:21: `backends[0].price_per_hour` is -2.5, must be above 0",
        ),
    ] {
        let to = format!("plugin: sim\n    {extra}");
        assert_eq!(changed("plugin: sim", &to), format!("bench.yaml:{error}"));
    }
    let twice = SMALL.replace("plugin: sim", "plugin: sim\n  - plugin: sim");
    assert_eq!(
        refused(&twice)[0].1.as_deref(),
        Some("give each backend of one plugin its own `label`")
    );
}

#[test]
fn a_workload_that_cannot_be_made_is_refused() {
    for (from, to, error) in [
        (
            "input_tokens: 512",
            "input_tokens: 0",
            "7:17: `workload.input_tokens` can be 0, must be 1 token or more",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {uniform: [9, 3]}",
            "8:3: `workload.output_tokens` is from 9 to 3, the first must not be larger",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {normal: [9, -3], max: 20}",
            "8:3: `workload.output_tokens` has a standard deviation of -3, must be 0 or more",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {normal: [.inf, 3], max: 20}",
            "8:3: `workload.output_tokens` has a mean of inf, must be finite",
        ),
        (
            "output_tokens: 128",
            "turns: 0",
            "8:10: `workload.turns` can be 0, must be 1 or more",
        ),
        (
            "output_tokens: 128",
            "shared_prefix_tokens: 513",
            "8:25: `workload.shared_prefix_tokens` is 513, must be at most the shortest prompt, 512 tokens",
        ),
        (
            "output_tokens: 128",
            "prompts: jsonl",
            "6:1: `workload.file` is missing, `jsonl` prompts need it",
        ),
        (
            "output_tokens: 128",
            "file: p.jsonl",
            "8:9: `workload.file` is \"p.jsonl\", must be absent: synthetic prompts do not come from a file",
        ),
    ] {
        assert_eq!(changed(from, to), format!("bench.yaml:{error}"));
    }
}

#[test]
fn prompts_that_do_not_fit_the_model_are_refused_with_what_would_fit() {
    let limit = |n: u32| SMALL.replace("id: m", &format!("id: m\n  max_model_len: {n}"));
    assert!(read(&limit(640)).is_ok());
    assert_eq!(
        refused(&limit(639)),
        [(
            "bench.yaml:4:18: `model.max_model_len` is 639 tokens, but the longest prompt has 512 and the longest answer 128: 640 do not fit".to_owned(),
            Some("raise model.max_model_len, or lower workload.output_tokens to 127 at most".to_owned()),
        )]
    );
    assert_eq!(
        refused(&limit(500))[0].1.as_deref(),
        Some("raise model.max_model_len, or lower workload.input_tokens")
    );
}

#[test]
fn a_shape_that_cannot_be_sent_is_refused() {
    let rate = "request_rate: [2]";
    for (shape, error) in [
        (
            "{steps: []}",
            "`load.shape.steps` is empty, must list at least one step",
        ),
        (
            "{steps: [{for: 1s, rate: 0}, {for: 1s, rate: 1}]}",
            "`load.shape.steps[0].rate` is 0, must be above 0",
        ),
        (
            "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: 0}]}",
            "`load.shape.steps[1].rate` is 0, must be above 0",
        ),
        (
            "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: -1}, {for: 1s, rate: 1}]}",
            "`load.shape.steps[1].rate` is -1, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{steps: [{for: 0s, rate: 1}]}",
            "`load.shape.steps[0].for` is 0, must be above 0",
        ),
        (
            "{ramp: {from: 0.1, to: 0, over: 1m}}",
            "`load.shape.ramp.to` is 0, must be above 0, a factor of the level's rate",
        ),
        (
            "{ramp: {from: -1, to: 1, over: 1m}}",
            "`load.shape.ramp.from` is -1, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{spike: {at: 1s, for: 1s, rate: -2}}",
            "`load.shape.spike.rate` is -2, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{on_off: {on: 1s, off: 0s}}",
            "`load.shape.on_off.off` is 0, must be above 0",
        ),
        ("{on_off: {on: 1s}}", "`load.shape.on_off.off` is missing"),
    ] {
        let found = refused_open(&format!("{rate}\n  shape: {shape}"));
        assert!(found.contains(error), "{found}");
    }
    for shape in [
        "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: 0}, {for: 1s, rate: 2}]}",
        "{ramp: {from: 0, to: 1, over: 1m}}",
        "{spike: {at: 1s, for: 1s, rate: 0}}",
        "{on_off: {on: 1s, off: 2s}}",
    ] {
        let text = with_load(&format!("{rate}\n  shape: {shape}"));
        assert!(read(&text).is_ok(), "{shape}");
    }
}

#[test]
fn keys_of_one_kind_of_load_are_refused_beside_another() {
    let ramp = "shape: {ramp: {from: 0.1, to: 1, over: 1m}}";
    for (load, error) in [
        (
            format!("request_rate: [inf]\n  {ramp}"),
            "`load.request_rate[0]` is inf, but `load.shape` needs a rate that it is a factor of",
        ),
        (
            format!("concurrency: [1]\n  {ramp}"),
            "`load.shape` is set, but a closed loop has no rate: it sends when an answer has ended",
        ),
        (
            "request_rate: [1]\n  ramp_up: 10s".to_owned(),
            "`load.ramp_up` is set, but only a closed loop has slots that begin one after the other",
        ),
        (
            "concurrency: [1]\n  ramp_up: 0s".to_owned(),
            "`load.ramp_up` is 0, must be above 0",
        ),
        (
            "request_rate: [1]\n  max_in_flight: 0".to_owned(),
            "`load.max_in_flight` is 0, must be 1 or more",
        ),
        (
            "concurrency: [1]\n  max_in_flight: 4".to_owned(),
            "`load.max_in_flight` is 4, but a closed loop never has more in flight than `concurrency` says",
        ),
        (
            "speed: 2\n  arrivals: trace".to_owned(),
            "`load.arrivals` is trace, but `synthetic` prompts are no rows of a file that have times",
        ),
        (
            "speed: [1, 2]".to_owned(),
            "`load.speed` is set, but only the times of a trace can be replayed faster",
        ),
        (
            "arrivals: trace".to_owned(),
            "`load` has no `speed`, arrivals of a trace need it",
        ),
        (
            "request_rate: [1]\n  arrivals: trace".to_owned(),
            "`load.arrivals` is trace, but how many requests there are at a time is set too",
        ),
        (
            "speed: [1]\n  request_rate: [1]\n  arrivals: trace".to_owned(),
            "`load` has both `request_rate` and `speed`, must have one: a run is a closed loop or an open one",
        ),
        (
            "speed: [1, 0]\n  arrivals: trace".to_owned(),
            "`load.speed[1]` is 0, must be above 0 and finite",
        ),
        (
            "speed: []\n  arrivals: trace".to_owned(),
            "`load.speed` is empty, must list at least one level",
        ),
        (
            "speed: fast\n  arrivals: trace".to_owned(),
            "`load.speed` is \"fast\", must be a number such as 2, or a list of them",
        ),
        (
            "speed: 1\n  arrivals: trace\n  burstiness: 0.5".to_owned(),
            "`load.burstiness` is set, but only gamma arrivals have one",
        ),
        (
            format!("speed: 1\n  arrivals: trace\n  {ramp}"),
            "`load.shape` is set, but a trace has the shape of its own times",
        ),
    ] {
        let found = refused_open(&load);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn a_trace_needs_a_speed_and_ends_by_itself() {
    let trace = with_load("speed: 2\n  arrivals: trace")
        .replace("output_tokens: 128", "prompts: trace\n  file: t.csv")
        .replace("  requests: 64\n", "");
    let config = read(&trace).unwrap().config;
    assert_eq!(config.load.levels(), [Level::TraceSpeed(Speed(2.0))]);
    let several = read(&trace.replace("speed: 2", "speed: [0.5, 4]")).unwrap();
    let levels = [0.5, 4.0].map(|speed| Level::TraceSpeed(Speed(speed)));
    assert_eq!(several.config.load.levels(), levels);
}

fn with_load(load: &str) -> String {
    SMALL.replace("concurrency: [1, 2]", load)
}

/// All that is wrong with a config with that load, a line each.
fn refused_open(load: &str) -> String {
    let errors = refused(&with_load(load)).into_iter();
    errors
        .map(|(error, _)| error)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_load_that_cannot_be_offered_is_refused() {
    for (from, to, error) in [
        (
            "concurrency: [1, 2]",
            "arrivals: poisson",
            "9:1: `load` has neither `concurrency` nor `request_rate` nor `search`, must have one",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: [1, 2]\n  request_rate: [1.5]",
            "9:1: `load` has both `concurrency` and `request_rate`, must have one: a run is a closed loop or an open one",
        ),
        (
            "requests: 64",
            "warmup_requests: 1",
            "9:1: `load` has neither `requests` nor `duration`, must have one to end",
        ),
        (
            "requests: 64",
            "duration: 0s",
            "11:13: `load.duration` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  timeout: 0s",
            "12:12: `load.timeout` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  idle_timeout: 0ms",
            "12:17: `load.idle_timeout` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  arrivals: gamma",
            "9:1: `load.burstiness` is missing, gamma arrivals need it",
        ),
        (
            "requests: 64",
            "requests: 64\n  arrivals: gamma\n  burstiness: 0",
            "13:15: `load.burstiness` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  burstiness: 0.5",
            "12:15: `load.burstiness` is set, but only gamma arrivals have one",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: []",
            "10:3: `load.concurrency` is empty, must list at least one level",
        ),
        (
            "concurrency: [1, 2]",
            "request_rate: []",
            "10:3: `load.request_rate` is empty, must list at least one level",
        ),
        (
            "concurrency: [1, 2]",
            "request_rate: [1, 0]",
            "10:21: `load.request_rate[1]` is 0, must be above 0 requests/s",
        ),
        (
            "concurrency: [1, 2]\n  requests: 64",
            "request_rate: [inf]\n  duration: 30s",
            "10:18: `load.request_rate[0]` is inf, which needs `load.requests`: how many to send at once",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 0}",
            "11:24: `load.requests.per_slot` is 0, must be 1 or more",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 16, min: 0}",
            "11:33: `load.requests.min` is 0, must be 1 or more",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 16, max: 90}",
            "11:28: unknown key `max` in `load.requests`, must be one of `per_slot`, `min`",
        ),
        (
            "requests: 64",
            "requests: {min: 64}",
            "11:13: `load.requests.per_slot` is missing",
        ),
        (
            "requests: 64",
            "requests: many",
            "11:13: `load.requests` is \"many\", must be a whole number, or `{per_slot: 16, min: 64}`",
        ),
        (
            "concurrency: [1, 2]\n  requests: 64",
            "request_rate: [2]\n  requests: {per_slot: 16}",
            "11:3: `load.requests` has `per_slot`, but a request rate has no slots",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: [2, 2]",
            "10:20: `load.concurrency[1]` is 2, which is already in the list",
        ),
    ] {
        assert_eq!(changed(from, to), format!("bench.yaml:{error}"));
    }
}

#[test]
fn limits_out_of_range_are_refused() {
    for (extra, error) in [
        ("repeats: 0", "9:10: `repeats` is 0, must be 1 or more"),
        (
            "slo: {ttft_ms: 0}",
            "9:16: `slo.ttft_ms` is 0, must be above 0 ms",
        ),
        (
            "slo: {tpot_ms: -1}",
            "9:16: `slo.tpot_ms` is -1, must be above 0 ms",
        ),
        (
            "slo: {e2e_latency_ms: .inf}",
            "9:23: `slo.e2e_latency_ms` is inf, must be above 0 ms",
        ),
        (
            "gpu: {sample_every: 9ms}",
            "9:21: `gpu.sample_every` is 9ms, must be 10ms or more",
        ),
    ] {
        let to = format!("\n{extra}\nload:");
        assert_eq!(changed("\nload:", &to), format!("bench.yaml:{error}"));
    }
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

/// The refused lines of `SMALL` with a backend of these further lines.
fn launched(lines: &str) -> Vec<(String, Option<String>)> {
    refused(&SMALL.replacen("plugin: sim\n", &format!("plugin: vllm\n{lines}"), 1))
}

#[test]
fn a_version_and_a_container_are_two_ways_to_launch() {
    let text = SMALL.replacen(
        "  - plugin: sim\n",
        "  - plugin: vllm\n    version: 0.10\n  - plugin: sglang\n    container:\n      image: a/b:v1\n",
        1,
    );
    let config = read(&text).unwrap().config;
    // As it is written: 0.10 is not 0.1.
    assert_eq!(config.backends[0].version.as_deref(), Some("0.10"));
    let container = config.backends[1].container.clone().unwrap();
    assert_eq!(container.image, "a/b:v1");
    assert_eq!(container.runtime, ContainerRuntime::Docker);
    assert_eq!(container.args, [""; 0]);
}

#[test]
fn what_is_no_single_version_is_refused() {
    for version in ["latest", "'>=0.30'", "0.32.0 --index x", "''"] {
        let errors = launched(&format!("    version: {version}\n"));
        let shown = version.trim_matches('\'');
        assert_eq!(
            errors[0].0,
            format!(
                "bench.yaml:6:14: `backends[0].version` is {shown:?}, must be one version of a Python package, such as 0.32.0"
            )
        );
        assert!(errors[0].1.is_some());
    }
}

#[test]
fn only_one_way_to_a_server_can_be_set() {
    let container = "    container: {image: x}\n";
    let both = launched(&format!("    version: 0.32.0\n{container}"));
    assert_eq!(
        both[0].0,
        "bench.yaml:6:14: `backends[0].version` is set beside `container`, whose image has its own version"
    );
    let attach = "    attach: http://127.0.0.1:1\n";
    let attached = launched(&format!("    version: 0.32.0\n{attach}"));
    assert_eq!(
        attached[0].0,
        "bench.yaml:6:14: `backends[0].version` is set beside `attach`, but an attached server is not launched"
    );
    let attached = launched(&format!("{container}{attach}"));
    assert_eq!(
        attached[0].0,
        "bench.yaml:6:5: `backends[0].container` is set beside `attach`, but an attached server is not launched"
    );
}

#[test]
fn a_container_needs_an_image_that_is_no_flag() {
    for image in ["\"\"", "--privileged", "two words"] {
        let errors = launched(&format!("    container: {{image: {image}}}\n"));
        let place = "bench.yaml:6:24: `backends[0].container.image` is ";
        assert!(errors[0].0.starts_with(place), "{errors:?}");
    }
    let errors = launched("    container: {image: x, runtime: rkt}\n");
    assert!(errors[0].0.contains("bench.yaml:6:36"), "{errors:?}");
    assert!(errors[0].0.contains("podman"), "{errors:?}");
}
