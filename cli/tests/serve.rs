//! A backend that one process starts by its plugin's plan, and another one measures.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{inferbench, json_file, json_lines, run_folder, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest that a server may take until it is ready, or gone.
const LIMIT: Duration = Duration::from_secs(120);

fn config(folder: &Path, backends: &str) -> PathBuf {
    let text = format!(
        "name: served\nmodel: {{ id: simulated }}\nbackends:\n{backends}workload: {{ input_tokens: 16, output_tokens: 4 }}\nload: {{ concurrency: [2], requests: 30 }}\nrepeats: 1\n"
    );
    let config = folder.join("bench.yaml");
    fs::write(&config, text).unwrap();
    config
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < LIMIT,
            "{what} takes longer than {LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stop(mut server: Child) -> Option<i32> {
    kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM).unwrap();
    server.wait().unwrap().code()
}

#[test]
fn a_served_backend_is_measured_by_another_process_and_gone_after_term() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(
        folder.path(),
        "  - plugin: sim\n    env: { OF_THE_START: one }\n",
    );
    let ready = folder.path().join("server.url");
    let mut serve = inferbench();
    serve.arg("--quiet").arg("serve").arg(&config);
    serve.arg("--ready-file").arg(&ready);
    serve.arg("--output").arg(folder.path().join("server"));
    let server = serve.stdout(Stdio::null()).spawn().unwrap();
    wait_for("the server", || ready.exists());
    let url = fs::read_to_string(&ready).unwrap().trim().to_owned();
    let mut run = inferbench();
    run.args(["--quiet", "run"]).arg(&config);
    run.args(["--attach", &url]);
    let measured = said(run.arg("--output").arg(folder.path().join("results")));
    assert_eq!(measured.code, Some(0), "{}", measured.err);
    let measured = run_folder(&folder.path().join("results"));
    assert_eq!(json_lines(&measured.join("requests.jsonl")).len(), 30);
    let backend = &json_file(&measured.join("run.json"))["config"]["backends"][0];
    assert_eq!(backend["attach"], url);
    assert!(
        backend["env"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    );
    assert_eq!(stop(server), Some(0));
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
    let served = json_file(&run_folder(&folder.path().join("server")).join("run.json"));
    assert_eq!(served["exit_state"], "done");
    assert!(served["stages"][0]["ready_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_server_that_ends_by_itself_ends_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "  - plugin: sim\n");
    let ready = folder.path().join("server.url");
    let mut serve = inferbench();
    serve.arg("--quiet").arg("serve").arg(&config);
    serve.arg("--ready-file").arg(&ready);
    serve.arg("--output").arg(folder.path().join("server"));
    let mut server = serve.stdout(Stdio::null()).spawn().unwrap();
    wait_for("the server", || ready.exists());
    let url = fs::read_to_string(&ready).unwrap();
    let port = url.trim().rsplit(':').next().unwrap();
    let listens = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains("inferbench-sim") && line.contains(port) && !line.contains("supervise")
    };
    let mut all = fs::read_dir("/proc").unwrap().flatten();
    let pid = all.find(listens).unwrap().file_name();
    let pid: i32 = pid.to_str().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_for("the end", || server.try_wait().unwrap().is_some());
    assert_eq!(server.wait().unwrap().code(), Some(3));
}

#[test]
fn what_cannot_be_served_or_attached_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let attached = config(
        folder.path(),
        "  - plugin: sim\n    attach: http://127.0.0.1:1\n",
    );
    let refused = said(inferbench().arg("serve").arg(&attached));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("sim is not started"),
        "{}",
        refused.err
    );
    let two = config(
        folder.path(),
        "  - plugin: sim\n    label: a\n  - plugin: sim\n    label: b\n",
    );
    let refused = said(inferbench().arg("serve").arg(&two));
    assert_eq!(refused.code, Some(2));
    let words = "the config has 2 backends, must have one";
    assert!(refused.err.contains(words), "{}", refused.err);
    let mut run = inferbench();
    let run = run.arg("run").arg(&two);
    let refused = said(run.args(["--attach", "http://127.0.0.1:1"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains(words), "{}", refused.err);
    let one = config(folder.path(), "  - plugin: sim\n");
    let mut run = inferbench();
    let refused = said(run.arg("run").arg(&one).args(["--attach", "127.0.0.1:1"]));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .err
            .contains("--attach is `127.0.0.1:1`, must be a URL"),
        "{}",
        refused.err
    );
}
