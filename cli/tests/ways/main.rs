//! The ways to launch a server: the exact command lines, what is refused, and,
//! where there is podman or uv, the real thing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod containers;
mod packaged;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Said, inferbench, json_file, run_folder, said};
use serde_json::{Value, json};

/// A folder with a config, a model, and programs of the PATH that do nothing.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(programs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::create_dir(folder.path().join("hub")).unwrap();
        for program in programs {
            let file = folder.path().join("bin").join(program);
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn validate(&self, config: &str) -> Said {
        let file = self.path("bench.yaml");
        fs::write(&file, config).unwrap();
        said(
            inferbench()
                .env("PATH", self.path("bin"))
                .env("HF_HUB_CACHE", self.path("hub"))
                .env_remove("HF_TOKEN")
                .env_remove("HF_ENDPOINT")
                .env_remove("HF_HUB_OFFLINE")
                .env_remove("HUGGING_FACE_HUB_TOKEN")
                .args(["validate", "--json"])
                .arg(&file),
        )
    }

    /// Of the first backend: what fetches it and what starts it.
    fn lines(&self, backend: &str) -> (String, String) {
        let said = self.validate(&config(self, backend));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let preview: Value = serde_json::from_str(&said.out).unwrap();
        let first = &preview["backends"][0];
        let text = |key: &str| first[key].as_str().unwrap().to_owned();
        (text("fetch"), text("launch"))
    }

    fn refused(&self, backend: &str) -> String {
        let said = self.validate(&config(self, backend));
        assert_eq!(said.code, Some(2), "{}", said.err);
        let place = format!("{}:", self.path("bench.yaml").display());
        said.err.replace(&place, "bench.yaml:")
    }
}

/// A config with one backend. Prompts are from a file, so that nothing has to
/// state a vocabulary.
fn config(bench: &Bench, backend: &str) -> String {
    let prompts = bench.path("prompts.jsonl");
    fs::write(&prompts, "{\"prompt\": \"a\", \"prompt_token_ids\": [7]}\n").unwrap();
    format!(
        "\
name: ways
model: {{ id: org/model, dtype: bfloat16, max_model_len: 4096 }}
backends:
  - {}
workload: {{ prompts: jsonl, file: {}, output_tokens: 8 }}
load: {{ concurrency: [1], requests: 1 }}
",
        backend.trim().replace('\n', "\n    "),
        prompts.display()
    )
}

const VLLM: &str = "serve org/model --host 127.0.0.1 --port 0 --served-model-name org/model \
                    --seed 1 --generation-config vllm --dtype bfloat16 --max-model-len 4096";

const SGLANG: &str = "-m sglang.launch_server --model-path org/model --served-model-name org/model \
                      --host 127.0.0.1 --port 0 --random-seed 1 --sampling-defaults openai \
                      --enable-metrics --dtype bfloat16 --context-length 4096";

const HF: &str = "RUN_FOLDER/logs/inferbench_hf_server.py --model org/model --served-model-name \
                  org/model --host 127.0.0.1 --port 0 --device auto --dtype bfloat16 \
                  --max-model-len 4096";

#[test]
fn what_cannot_be_launched_is_refused_with_its_place() {
    let bench = Bench::new(&["uv", "docker"]);
    let starts = |backend: &str, words: &str| {
        let err = bench.refused(backend);
        assert!(err.starts_with(words), "{err}");
    };
    starts(
        "plugin: vllm\nversion: 0.32.0\noptions: {command: [/venv/bin/vllm, serve]}",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but `options.command` names \
         the program that is run\nhint: remove one of the two\n",
    );
    starts(
        "plugin: openai\nversion: 0.32.0\noptions: {command: [x, '{port}']}",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but `options.command` names \
         the program that is run\nhint: set options.package to",
    );
    starts(
        "plugin: sim\nversion: 0.32.0",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but plugin `sim` names no \
         Python package to install\n",
    );
    starts(
        "plugin: vllm\nversion: 0.32.0\ncontainer: {image: x}",
        "error: bench.yaml:5:14: `backends[0].version` is set beside `container`",
    );
    starts(
        "plugin: vllm\ncontainer: {image: x, runtime: podman}",
        "error: bench.yaml:5:36: `backends[0].container.runtime` is podman, and no `podman` is on \
         the PATH\nhint: install podman, or",
    );
    let err = Bench::new(&[]).refused("plugin: vllm\nversion: 0.32.0");
    let words = "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", which is installed \
                 through uv, and no `uv` is on the PATH\nhint: install it: pip install uv";
    assert!(err.starts_with(words), "{err}");
}

/// A folder with a config of these backends.
fn bench(model: &str, backends: &[Value], requests: u32) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "name": "ways",
        "model": {"id": model, "dtype": "float32", "max_model_len": 2048},
        "backends": backends,
        "workload": {"input_tokens": 16, "output_tokens": 16},
        "load": {"concurrency": [2], "requests": requests},
        "repeats": 2,
        "output": folder.path().join("results"),
    });
    let file = folder.path().join("bench.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let mut command = inferbench();
    command
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .arg("run")
        .arg(&file);
    (folder, command)
}

fn manifest(run: &Path) -> Value {
    json_file(&run.join("run.json"))
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
