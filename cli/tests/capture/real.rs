//! A run with tcpdump beside it. Where that may not capture it says so, past the capture
//! of a test's output; with `INFERBENCH_TEST_TCPDUMP=required` it fails.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{inferbench, run_folder, said};
use crate::shown;

const REQUIRED: &str = "INFERBENCH_TEST_TCPDUMP";

const CONFIG: &str = "
name: witnessed
model: { id: simulated }
backends:
  - { label: a, plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 5 } }
workload: { input_tokens: 64, output_tokens: 8 }
load: { request_rate: [100], requests: 60 }
repeats: 1
";

/// Starts tcpdump and waits until it captures; `None` if it cannot.
fn tcpdump(device: &str, file: &Path) -> Option<Child> {
    let mut command = Command::new("tcpdump");
    command
        .args(["-i", device, "-U", "-w"])
        .arg(file)
        .arg("tcp");
    let mut child = command.stderr(Stdio::piped()).spawn().ok()?;
    let words = BufReader::new(child.stderr.take()?);
    for line in words.lines().map_while(Result::ok) {
        if line.contains("listening on") {
            return Some(child);
        }
    }
    child.wait().ok()?;
    None
}

/// Lets it write all that it has, and ends it.
fn stop(mut child: Child) {
    // It takes packets out of the kernel once a second.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    child.wait().unwrap();
}

#[test]
fn a_real_capture_beside_a_run_shows_every_request_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bench.yaml");
    fs::write(&config, CONFIG).unwrap();
    for device in ["any", "lo"] {
        let file = folder.path().join(format!("{device}.pcap"));
        let Some(child) = tcpdump(device, &file) else {
            let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "required");
            assert!(!required, "tcpdump is not there or may not capture");
            let words = "NOT RUN: tcpdump is not there or may not capture\n";
            let _ = std::io::stderr().write_all(words.as_bytes());
            return;
        };
        let results = folder.path().join(device);
        let run = said(
            inferbench()
                .arg("run")
                .arg(&config)
                .arg("--output")
                .arg(&results),
        );
        stop(child);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let mut command = inferbench();
        command.args(["--json", "verify"]).arg(run_folder(&results));
        let (wire, _) = shown(&said(command.arg("--capture").arg(&file)));
        let requests = wire.requests;
        assert!(requests.sent >= 60);
        assert_eq!(requests.found, requests.sent, "{requests:?}");
        // A stamp of the kernel is one and the same for both; a busy machine only
        // delays the look at the clock after the send.
        let itl = &wire.differences[1];
        assert!(itl.p99_ms < 0.1, "{itl:?}");
    }
}
