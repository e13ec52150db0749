//! Real engines on whatever machine this is. Ignored by default: each test
//! says what it needs, and takes the engines' places from the environment.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{json_file, json_lines};
use serde_json::{Value, json};

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn vllm() -> Value {
    json!({
        "plugin": "vllm",
        "options": {"command": [env("INFERBENCH_TEST_VLLM"), "serve"], "enforce_eager": true},
        "env": {"VLLM_CPU_KVCACHE_SPACE": "1"},
    })
}

fn hf() -> Value {
    json!({
        "plugin": "hf",
        "options": {"python": env("INFERBENCH_TEST_HF_PYTHON"), "device": "cpu"},
    })
}

fn sglang(api: &str) -> Value {
    json!({
        "label": format!("sglang-{api}"),
        "plugin": "sglang",
        "options": {
            "command": [env("INFERBENCH_TEST_SGLANG"), "-m", "sglang.launch_server"],
            "api": api,
            "device": "cpu",
            "attention_backend": "torch_native",
            "max_total_tokens": 65536,
            "extra_args": ["--sampling-backend", "pytorch"],
        },
        "env": {"SGLANG_USE_CPU_ENGINE": "1"},
    })
}

fn llamacpp() -> Value {
    json!({
        "plugin": "llamacpp",
        "options": {
            "command": [env("INFERBENCH_TEST_LLAMA")],
            "gguf": env("INFERBENCH_TEST_GGUF"),
            "extra_args": ["--verbosity", "4"],
        },
    })
}

fn transformers_serve() -> Value {
    let program = Path::new(&env("INFERBENCH_TEST_HF_PYTHON")).with_file_name("transformers");
    json!({
        "plugin": "transformers-serve",
        "options": {"command": [program, "serve"], "device": "cpu", "cb_num_blocks": 64},
    })
}

/// A run of `backends` in a fresh folder: its run folder and what was printed.
fn run(backends: &[Value]) -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "name": "real",
        "model": {
            "id": env("INFERBENCH_TEST_MODEL"), "dtype": "float32", "max_model_len": 2048,
        },
        "backends": backends,
        "workload": {"input_tokens": 64, "output_tokens": 16},
        "load": {"concurrency": [1, 2, 4], "requests": 4, "warmup_requests": 1, "timeout": "5m"},
        "repeats": 2,
        "output": folder.path().join("results"),
    });
    let file = folder.path().join("config.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_inferbench"))
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .arg("run")
        .arg(&file)
        .output()
        .unwrap();
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    #[allow(
        clippy::print_stdout,
        reason = "the run's own words, should the test fail"
    )]
    {
        println!("{said}");
    }
    assert!(output.status.success(), "exit {:?}", output.status.code());
    let mut runs = fs::read_dir(folder.path().join("results")).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    (folder, run, said)
}

fn check_run(run: &Path, labels: &[&str]) {
    let requests = json_lines(&run.join("requests.jsonl"));
    let seen: BTreeSet<&str> = requests
        .iter()
        .map(|r| r["backend"].as_str().unwrap())
        .collect();
    assert_eq!(seen, labels.iter().copied().collect());
    for request in &requests {
        assert_eq!(request["status"], "ok", "{request}");
        assert_eq!(request["output_tokens"], 16, "{request}");
        assert_eq!(request["input_tokens"], 64, "{request}");
        assert!(request["ttft_ms"].as_f64().unwrap() > 0.0, "{request}");
    }
    let cells = json_file(&run.join("cells.json"));
    let cells = cells["cells"].as_array().unwrap();
    assert_eq!(cells.len(), labels.len() * 3 * 2);
    for cell in cells {
        assert_eq!(cell["counts"]["ok"], 4, "{cell}");
        assert!(cell["output_token_throughput"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(json_file(&run.join("run.json"))["exit_state"], "done");
    for name in ["host.jsonl", "server_metrics.jsonl"] {
        assert!(!json_lines(&run.join(name)).is_empty(), "{name} is empty");
    }
    check_schema(run, "cells.json", &inferbench_model::cell::row::schema());
    check_schema(run, "report.json", &inferbench_model::report::schema());
    check_rebuild(run);
    check_nothing_left(run);
}

fn check_schema(run: &Path, name: &str, schema: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let file = json_file(&run.join(name));
    let errors: Vec<String> = validator
        .iter_errors(&file)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:?}");
}

fn check_rebuild(run: &Path) {
    let derived = [
        "cells.json",
        "report.json",
        "report.html",
        "summary.md",
        "summary.csv",
    ];
    let read = || derived.map(|name| fs::read(run.join(name)).unwrap());
    let before = read();
    for name in derived {
        fs::remove_file(run.join(name)).unwrap();
    }
    let again = Command::new(env!("CARGO_BIN_EXE_inferbench"))
        .arg("report")
        .arg(run)
        .output()
        .unwrap();
    assert!(again.status.success());
    assert!(before == read(), "a rebuilt file differs");
}

/// No process whose command line or working folder names this run.
fn check_nothing_left(run: &Path) {
    let manifest = json_file(&run.join("run.json"));
    let stages = manifest["stages"].as_array().unwrap();
    for stage in stages {
        let command = stage["command"].as_array().unwrap();
        let port = command
            .iter()
            .skip_while(|word| **word != "--port")
            .nth(1)
            .and_then(Value::as_str)
            .unwrap();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let ours = words
                .windows(2)
                .any(|pair| pair[0] == b"--port" && pair[1] == port.as_bytes());
            assert!(!ours, "still there: {}", String::from_utf8_lossy(&line));
        }
    }
}

#[test]
#[ignore = "needs vLLM and transformers: INFERBENCH_TEST_VLLM, INFERBENCH_TEST_HF_PYTHON, INFERBENCH_TEST_MODEL"]
fn vllm_and_hf_are_compared_by_one_config() {
    let (_folder, run, said) = run(&[vllm(), hf()]);
    check_run(&run, &["vllm", "hf"]);
    assert!(said.contains("vllm") && said.contains("hf"));
}

#[test]
#[ignore = "needs SGLang: INFERBENCH_TEST_SGLANG (its python), INFERBENCH_TEST_MODEL"]
fn sglang_is_measured_through_both_of_its_apis() {
    let (_folder, run, _) = run(&[sglang("openai"), sglang("native")]);
    check_run(&run, &["sglang-openai", "sglang-native"]);
}

/// llama.cpp caches in half precision: 2 layers x 1 KV head x (64 + 64) x 2 B = 512
/// bytes a token, and 4 slots of 2,048 tokens.
#[test]
#[ignore = "needs llama.cpp and transformers: INFERBENCH_TEST_LLAMA (llama-server), INFERBENCH_TEST_GGUF, INFERBENCH_TEST_HF_PYTHON, INFERBENCH_TEST_MODEL"]
fn llamacpp_and_transformers_serve_are_compared_by_one_config() {
    let (_folder, run, _) = run(&[llamacpp(), transformers_serve()]);
    check_run(&run, &["llamacpp", "transformers-serve"]);
    let report = json_file(&run.join("report.json"));
    let lines = report["kv"]["backends"][0]["lines"].as_array().unwrap();
    let line = |quantity: &str| {
        lines
            .iter()
            .find(|line| line["quantity"] == quantity)
            .unwrap()
    };
    for (quantity, value) in [("tokens", 8192.0), ("bytes", 4_194_304.0)] {
        assert_eq!(line(quantity)["predicted"], value, "{lines:?}");
        assert_eq!(line(quantity)["log"]["value"], value, "{lines:?}");
    }
}

/// The tiny model keeps 2 layers x 1 KV head x (64 + 64) x 4 B = 1,024 bytes a
/// token, so 1 GiB holds 2^30 / 1,024 = 1,048,576 of them.
#[test]
#[ignore = "needs vLLM and transformers: INFERBENCH_TEST_VLLM, INFERBENCH_TEST_HF_PYTHON, INFERBENCH_TEST_MODEL"]
fn one_gib_of_the_tiny_model_is_the_same_number_of_tokens_by_every_source() {
    let (_folder, run, _) = run(&[vllm(), hf()]);
    let report = json_file(&run.join("report.json"));
    let backends = report["kv"]["backends"].as_array().unwrap();
    let line = |backend: &str, quantity: &str| {
        let backend = backends.iter().find(|b| b["backend"] == backend).unwrap();
        let lines = backend["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["quantity"] == quantity);
        line.unwrap_or_else(|| panic!("no {quantity}: {backend}"))
            .clone()
    };
    let tokens = line("vllm", "tokens");
    for source in ["log", "metrics"] {
        assert_eq!(tokens[source]["value"], 1_048_576.0, "{source}: {tokens}");
    }
    // vLLM's `/server_info` answers 500 where its environment has no pip.
    if !tokens["info"].is_null() {
        assert_eq!(tokens["info"]["value"], 1_048_576.0, "{tokens}");
    }
    let growth = line("hf", "bytes_per_token");
    assert_eq!(growth["measured"]["value"], 1024.0, "{growth}");
    // Once runs predict, the prediction is the same number.
    if !tokens["predicted"].is_null() {
        assert_eq!(tokens["predicted"], 1_048_576.0, "{tokens}");
    }
}
