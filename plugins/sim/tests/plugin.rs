//! The conformance suite, and the plugin against its own server.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use inferbench_plugin_api::{Backend, EvidenceSource, IdSpan, Served};
use inferbench_sim::Sim;
use inferbench_testkit::trial::{Trial, launch_context};
use serde_json::{Value, json};

const PLUGIN: Trial<Served<Sim>> = Trial::new();

/// Every knob at once.
fn all_knobs() -> Value {
    json!({
        "seed": 3, "vocab_size": 32000, "mean_output_tokens": 10, "scheduler": "continuous",
        "max_num_seqs": 4, "max_batched_tokens": 64, "step_base_us": 100.5, "step_per_seq_us": 1.0,
        "prefill_us_per_token": 2.0, "kv_blocks": 100, "block_size": 16, "prefix_caching": true,
        "tokens_per_event": 2, "load_seconds": 0.0, "truth_file": "/dev/null",
        "faults": ["http-503:every=1000000"], "exit_after_requests": 1000, "ignore_sigterm": false,
        "pause_every_ms": 1000, "pause_ms": 1, "spin": "none"
    })
}

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat", "fixed_ttft_ms": 5.0, "fixed_itl_ms": 1.0}),
        json!({"endpoint": "responses"}),
        all_knobs(),
    ]);
}

#[test]
fn it_is_simulated_and_lists_its_token_ids() {
    let description = <Served<Sim>>::describe();
    assert!(description.simulated);
    assert_eq!(description.token_ids, Some(IdSpan { lo: 0, hi: 32_000 }));
}

#[test]
fn half_of_a_pair_is_refused_by_name() {
    assert_eq!(
        PLUGIN.refusal(json!({"fixed_itl_ms": 1.0})),
        "options.fixed_itl_ms is set without options.fixed_ttft_ms"
    );
    let both = json!({"fixed_itl_ms": 1.0, "fixed_ttft_ms": 1.0, "prefix_caching": true});
    let refusal = PLUGIN.refusal(both);
    assert!(refusal.starts_with("options."), "{refusal}");
}

#[test]
fn the_run_s_seed_is_the_server_s_unless_given() {
    let command = |value| PLUGIN.plan(value).command.join(" ");
    assert_eq!(
        command(json!({})),
        "inferbench-sim --host 127.0.0.1 --port 8100 --model served --seed 42 --max-model-len 4096"
    );
    assert!(command(json!({"seed": 3})).contains("--seed 3"));
}

/// A running server, killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, path: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    Some(answer.split_off(at + 4))
}

#[test]
fn the_server_takes_every_knob_and_its_answers_are_evidence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let sim = PLUGIN.open(all_knobs());
    let mut context = launch_context();
    context.port = port;
    // The cache of `all_knobs` holds 100 x 16 tokens.
    context.model.max_model_len = Some(1600);
    let plan = sim.launch(&context).unwrap().unwrap();
    let program = env!("CARGO_BIN_EXE_inferbench-sim");
    let child = Command::new(program)
        .args(&plan.command[1..])
        .spawn()
        .unwrap();
    let server = Running(child);
    let start = Instant::now();
    while get(port, "/health").is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let probes = sim.probes();
    let metrics = get(port, &probes.metrics.unwrap().path).unwrap();
    let found = sim.evidence(&EvidenceSource::Metrics, &metrics).unwrap();
    assert_eq!(found.kv_cache_tokens, Some(1600));
    assert_eq!(found.prefix_caching, Some(true));
    assert_eq!(
        (found.running_requests, found.preemptions),
        (Some(0.0), Some(0.0))
    );
    let source = EvidenceSource::Info(probes.info[0].name.clone());
    let info = get(port, &probes.info[0].request.path).unwrap();
    let found = sim.evidence(&source, &info).unwrap();
    assert_eq!(
        (found.model.as_deref(), found.max_model_len),
        (Some("served"), Some(1600))
    );
    drop(server);
}
