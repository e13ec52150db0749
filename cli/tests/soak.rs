//! Half an hour at 256 streams with every kind of fault and servers that die.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::print_stdout, reason = "its figures are what it is run for")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use common::place::{Place, records, worker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Starts of the server; each dies while it is measured.
const BLOCKS: u32 = 6;
/// Share of a cell after which its server is killed.
const DIES_AFTER: f64 = 0.9;

/// Two kinds of fault hit each 10,000 requests of each kind at most once in 50.
fn config(cell_s: u64) -> String {
    format!(
        "
name: soak
model: {{ id: simulated }}
backends:
  - label: a
    plugin: sim
    options:
      fixed_ttft_ms: 50
      fixed_itl_ms: 10
      faults:
        - http-503:every=50,retry_after_s=1
        - stall:every=53,after=3
        - cut:every=59,after=5
        - reset:every=61,after=7
        - error-in-stream:every=67,after=9
workload: {{ input_tokens: 128, output_tokens: 128 }}
load: {{ concurrency: [256], duration: {cell_s}s, idle_timeout: 2s }}
repeats: {BLOCKS}
"
    )
}

/// What the client holds at one moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    at_s: f64,
    rss_kib: u64,
    descriptors: usize,
}

fn held(child: &Child, began: Instant) -> Option<Held> {
    let folder = format!("/proc/{}", worker(child)?);
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Held {
        at_s: began.elapsed().as_secs_f64(),
        rss_kib: rss.trim().trim_end_matches(" kB").parse().ok()?,
        descriptors: fs::read_dir(format!("{folder}/fd")).ok()?.count(),
    })
}

/// The largest figure of the part of the run between two shares of it.
fn largest<T: Ord>(all: &[Held], from: f64, to: f64, figure: impl Fn(&Held) -> T) -> T {
    let end_s = all.last().unwrap().at_s;
    let part = all
        .iter()
        .filter(|held| (from..to).contains(&(held.at_s / end_s)));
    part.map(figure).max().unwrap()
}

#[test]
#[ignore = "takes half an hour, or INFERBENCH_SOAK_MINUTES"]
fn half_an_hour_of_faults_loses_nothing_and_grows_nothing() {
    let minutes = std::env::var("INFERBENCH_SOAK_MINUTES");
    let minutes: u64 = minutes.map_or(30, |minutes| minutes.parse().unwrap());
    let cell_s = minutes * 60 / u64::from(BLOCKS);
    let place = Place::new(&config(cell_s));
    let mut child = place.start();
    let began = Instant::now();
    let mut all = Vec::new();
    let mut seen = None;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        all.extend(held(&child, began));
        let server = place.server();
        match (seen, server) {
            (Some((pid, since)), Some(now)) if pid == now => {
                let since: Instant = since;
                if since.elapsed().as_secs_f64() > cell_s as f64 * DIES_AFTER {
                    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
                }
            }
            (_, Some(now)) => seen = Some((now, Instant::now())),
            (_, None) => {}
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(status.code(), Some(3), "{}", place.said());
    place.assert_nothing_is_left();
    report(&place, &all);
}

/// Every request once, nothing that grows.
fn report(place: &Place, all: &[Held]) {
    let mut indices: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for record in records(&place.path("results")) {
        let block = record["block"].as_u64().unwrap();
        indices
            .entry(block)
            .or_default()
            .push(record["index"].as_u64().unwrap());
        let reason = record["reason"].as_str().unwrap_or("ok").to_owned();
        *reasons.entry(reason).or_default() += 1;
    }
    assert_eq!(indices.len(), BLOCKS as usize);
    for (block, mut indices) in indices {
        indices.sort_unstable();
        let expected: Vec<u64> = (0..indices.len() as u64).collect();
        assert_eq!(indices, expected, "block {block}");
    }
    let rss = |from, to| largest(all, from, to, |held| held.rss_kib);
    let descriptors = |from, to| largest(all, from, to, |held| held.descriptors);
    let (rss_first, rss_last) = (rss(0.05, 0.35), rss(0.65, 0.95));
    let (open_first, open_last) = (descriptors(0.05, 0.35), descriptors(0.65, 0.95));
    println!("requests by outcome: {reasons:?}");
    println!("largest RSS, KiB: {rss_first} in the first third, {rss_last} in the last");
    println!("most descriptors: {open_first} in the first third, {open_last} in the last");
    // One tenth: what an allocator keeps for itself.
    assert!(rss_last * 10 <= rss_first * 11);
    assert!(open_last <= open_first + 8);
}
