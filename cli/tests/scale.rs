//! Memory and time of `report` over cells of many requests.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use inferbench_model::config::Level;
use inferbench_model::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd};
use inferbench_model::facts::record::{Phase, RequestKey};
use inferbench_test_support::runs::Run;
use nix::sys::resource::{UsageWho, getrusage};

const CONCURRENCY: u32 = 64;
const TOKENS: u32 = 128;
/// What a cell of 100,000 requests of 128 tokens may take.
const MOST_MIB: f64 = 200.0;

/// Writes the facts of a run with one cell: every answer has one token an
/// event, and gaps scatter evenly over 5 to 15 ms.
fn write_run(folder: &Path, requests: u64) {
    let run = Run::new(&["one"], &[CONCURRENCY], 1);
    let manifest = serde_json::to_vec(&run.manifest).unwrap();
    std::fs::write(folder.join("run.json"), manifest).unwrap();
    let file = File::create(folder.join("requests.jsonl")).unwrap();
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut free_ns = vec![1_000_000_000_u64; CONCURRENCY as usize];
    let mut state = 1_u64;
    let mut gap_ns = || {
        // Multiplier of Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        5_000_000 + (state >> 33) % 10_000_000
    };
    for index in 0..requests {
        let slot = &mut free_ns[(index % u64::from(CONCURRENCY)) as usize];
        let mut exchange = Exchange::default();
        exchange.asked = Asked {
            input_tokens: Some(512),
            output_tokens: TOKENS,
            ..Asked::default()
        };
        exchange.sent_ns = Some(*slot);
        exchange.http_status = Some(200);
        for token in 1..=TOKENS {
            *slot += gap_ns();
            exchange.read_began(*slot, *slot, *slot + 20_000);
            exchange.output(*slot, OutputKind::Text, " token", Some(token));
        }
        exchange.finish("length");
        exchange.end_marker();
        let key = RequestKey {
            backend: "one".to_owned(),
            block: 0,
            level: Level::Concurrency(CONCURRENCY),
            phase: Phase::Measured,
            index,
        };
        let record = exchange.finish_record(key, &StreamEnd::Clean, *slot, false);
        serde_json::to_writer(&mut file, &record).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
}

/// Runs `report` over the folder; gives its time and the largest memory of any
/// child so far.
fn report(folder: &Path) -> (f64, f64) {
    let began = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_inferbench"))
        .args(["--quiet", "report"])
        .arg(folder)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (seconds, usage.max_rss() as f64 / 1024.0)
}

#[test]
#[ignore = "needs minutes and 300 MB of disk"]
fn a_cell_of_a_hundred_thousand_requests_is_reported_within_200_mib() {
    let asked = std::env::var("INFERBENCH_SCALE_REQUESTS").ok();
    let largest: u64 = asked.map_or(100_000, |text| text.parse().unwrap());
    for requests in [largest / 10, largest] {
        let folder = tempfile::tempdir().unwrap();
        write_run(folder.path(), requests);
        let bytes = std::fs::metadata(folder.path().join("requests.jsonl")).unwrap();
        let (seconds, peak_mib) = report(folder.path());
        println!(
            "{requests} requests of {TOKENS} tokens, {} MB: {seconds:.1} s, {peak_mib:.0} MiB",
            bytes.len() / 1_000_000
        );
        assert!(
            requests > 100_000 || peak_mib < MOST_MIB,
            "{peak_mib} MiB for {requests} requests"
        );
        // (5 ms + 15 ms) / 2, with a standard error of 0.8 us over 12.8 M gaps.
        let cells = std::fs::read_to_string(folder.path().join("cells.json")).unwrap();
        let cells: serde_json::Value = serde_json::from_str(&cells).unwrap();
        let itl = &cells["cells"][0]["itl_ms"];
        assert_eq!(itl["n"], requests * u64::from(TOKENS - 1));
        for (name, truth) in [("mean", 10.0), ("p50", 10.0), ("p90", 14.0), ("p99", 14.9)] {
            let value = itl[name].as_f64().unwrap();
            assert!((value - truth).abs() < 0.05, "{name}: {value}");
        }
    }
}
