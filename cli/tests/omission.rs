//! The open loop as a user runs it: it keeps its schedule at high rates, and
//! coordinated omission, shown with a server that stalls for a fifth of the
//! time: a closed loop waits with it and sees one slow request per stall, an
//! open loop sees all that a user would.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::sync::{Mutex, PoisonError};

use common::{inferbench, run_folder, said};
use serde_json::Value;

const STALL_MS: f64 = 200.0;
const STALLS: usize = 3;
/// A request that took longer than this met a stall. Without one it takes 1 ms.
const SLOW_MS: f64 = 40.0;

/// A server that stalls 200 ms in each second.
const STALLING: &str = "pause_every_ms: 1000, pause_ms: 200";

/// The field of every measured request of one run, ascending; the server has
/// these options and otherwise answers with one token after 1 ms.
fn measured(load: &str, options: &str, field: &str) -> Vec<f64> {
    // One run at a time: they are timed, and share the machine's cores.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    let config = format!(
        "
name: omission
model: {{ id: simulated }}
backends:
  - plugin: sim
    options: {{ fixed_ttft_ms: 1, fixed_itl_ms: 0, {options} }}
workload: {{ input_tokens: 16, output_tokens: 1 }}
load: {{ {load} }}
repeats: 1
"
    );
    fs::write(&file, config).unwrap();
    let output = folder.path().join("results");
    let mut command = inferbench();
    command.arg("run").arg(&file).arg("--output").arg(&output);
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let text = fs::read_to_string(run_folder(&output).join("requests.jsonl")).unwrap();
    let mut values: Vec<f64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["phase"] == "measured")
        .map(|record| record[field].as_f64().unwrap())
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

fn percentile(sorted: &[f64], p: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * p / 100.0).round() as usize]
}

/// What is off in an open loop of 200 requests/s, in words.
///
/// A request planned `x` ms before the end of a stall takes `x` ms longer, and
/// `x` is spread evenly over 0 to 200; with half a second of warm-up three whole
/// stalls lie inside. So a share of 0.2 (1 - t / 200) takes
/// longer than t ms: 0.16 longer than 40, 0.1 longer than 100 (p90), 0.01
/// longer than 190 (p99), and those above 40 take 120 on average.
fn off_in_the_open_loop() -> Vec<String> {
    let load = "request_rate: [200], arrivals: constant, duration: 3s, warmup_requests: 100";
    let taken = measured(load, STALLING, "e2e_from_schedule_ms");
    assert_eq!(taken.len(), 600);
    let slow: Vec<f64> = taken.iter().copied().filter(|ms| *ms > SLOW_MS).collect();
    let share = slow.len() as f64 / taken.len() as f64;
    let mean = slow.iter().sum::<f64>() / slow.len() as f64;
    [
        ("share of slow requests", share, 0.16, 0.03),
        ("mean of the slow ones", mean, 120.0, 15.0),
        ("p50", percentile(&taken, 50.0), 1.0, 10.0),
        ("p90", percentile(&taken, 90.0), 100.0, 20.0),
        ("p99", percentile(&taken, 99.0), 190.0, 20.0),
    ]
    .into_iter()
    .filter(|(_, value, truth, tolerance)| (value - truth).abs() > *tolerance)
    .map(|(what, value, truth, _)| format!("{what} is {value}, should be near {truth}"))
    .collect()
}

#[test]
fn an_open_loop_sees_a_stall_as_every_user_does() {
    // A busy machine adds stalls of its own; the arithmetic must hold in one
    // of three runs.
    let mut off = Vec::new();
    for _ in 0..3 {
        off = off_in_the_open_loop();
        if off.is_empty() {
            return;
        }
    }
    panic!("{off:?}");
}

#[test]
fn a_closed_loop_sees_one_slow_request_per_stall() {
    let taken = measured("concurrency: [1], duration: 3s", STALLING, "e2e_latency_ms");
    // Between the stalls it sends one request after the other, hundreds a second.
    assert!(taken.len() > 300, "{}", taken.len());
    let stalled = taken.iter().filter(|ms| **ms > STALL_MS / 2.0).count();
    assert!((STALLS - 1..=STALLS + 1).contains(&stalled), "{stalled}");
    // Fewer than one in a hundred: even the p99 shows nothing of it.
    assert!(
        percentile(&taken, 99.0) < SLOW_MS,
        "{}",
        percentile(&taken, 99.0)
    );
    // The same fifth of the time, which an open loop finds in a sixth of its
    // requests above 40 ms.
    assert!(*taken.last().unwrap() > STALL_MS / 2.0);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "needs a release build")]
fn six_thousand_requests_a_second_leave_on_their_times() {
    let load = "request_rate: [6000], arrivals: constant, requests: 6000";
    // Other tests share the machine's cores: one of three runs must be on time,
    // all must send what was planned.
    let mut p50 = f64::INFINITY;
    for _ in 0..3 {
        let lags = measured(load, "tokens_per_event: 1", "send_lag_ms");
        assert_eq!(lags.len(), 6000);
        p50 = percentile(&lags, 50.0);
        if p50 < 1.0 && percentile(&lags, 99.0) < 100.0 {
            return;
        }
    }
    panic!("the median send lag is {p50} ms");
}
