//! Whole runs against servers of the test, and what they leave.

use std::fs;
use std::path::{Path, PathBuf};

use super::server::{
    Peer, Request, SSE_HEAD, TestServer, answer, chunk, ending, event, wait_until,
};
use inferbench_engine::derive::{Derived, derive};
use inferbench_engine::event::RunEvent;
use inferbench_engine::prepare::{PreparedRun, prepare};
use inferbench_engine::run::{self, Finished, Stops};
use inferbench_engine::store::read_lines;
use inferbench_model::config::load;
use inferbench_model::facts::manifest::{Manifest, StageFacts};
use inferbench_model::facts::record::RequestRecord;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A tokenizer of a hundred words, for prompts that are both text and ids.
pub fn tokenizer(folder: &Path) -> PathBuf {
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
pub fn config(folder: &Path, backends: &Value, extra: &Value) -> String {
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

pub fn prepared(text: &str) -> PreparedRun {
    let loaded = load("t.yaml", text, &|_| None).unwrap();
    prepare(&loaded, super::host()).unwrap()
}

pub struct Ran {
    pub finished: Finished,
    pub events: Vec<RunEvent>,
    pub folder: TempDir,
}

impl Ran {
    pub fn file(&self, name: &str) -> PathBuf {
        self.finished.folder.file(name)
    }

    pub fn manifest(&self) -> Manifest {
        serde_json::from_slice(&fs::read(self.file("run.json")).unwrap()).unwrap()
    }

    pub fn records(&self) -> Vec<RequestRecord> {
        read_lines(&self.file("requests.jsonl")).unwrap()
    }

    pub fn derived(&self) -> Derived {
        derive(self.finished.folder.path()).unwrap()
    }

    pub fn stage(&self, backend: &str) -> StageFacts {
        let stages = self.manifest().stages;
        let of_backend = |stage: &StageFacts| stage.backend == backend;
        stages.into_iter().find(of_backend).unwrap()
    }
}

pub async fn run_with(folder: TempDir, backends: Value, extra: Value, stops: &Stops) -> Ran {
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

pub async fn run(backends: Value, extra: Value) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    run_with(folder, backends, extra, &Stops::default()).await
}

/// An OpenAI server of the model `model`: four tokens, the first after 10 ms,
/// the others 4 ms apart.
pub fn llm(peer: &mut Peer, model: &str) {
    llm_with(peer, model, |_| 10);
}

/// The same, its first token after as many ms as `first_ms` says of a request.
pub fn llm_with(peer: &mut Peer, model: &str, first_ms: impl Fn(&Request) -> u64) {
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

pub fn attached(label: &str, server: &TestServer) -> Value {
    json!({"label": label, "plugin": "openai", "attach": server.url()})
}

pub fn launched(label: &str, command: &[&str]) -> Value {
    json!({"label": label, "plugin": "openai", "options": {"command": command}})
}

pub fn sim() -> String {
    let program = super::find_program("inferbench-sim");
    let program = program.expect("no inferbench-sim: run `cargo build --workspace` first");
    program.to_str().unwrap().to_owned()
}

/// Whether the process is gone.
pub fn is_gone(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

/// Process ids of all processes whose command line holds `mark`.
pub fn processes_with(mark: &str) -> Vec<i32> {
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
