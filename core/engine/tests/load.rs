//! The load against a paced server: what is in flight, what counts, and when
//! it is sent, read off the records alone.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use common::cell::{Ran, TOKENS, run, source};
use common::server::{Peer, SSE_HEAD, TestServer, chunk, ending, event, wait_until};
use inferbench_engine::http::Target;
use inferbench_engine::load::encoded::EncodedRequest;
use inferbench_engine::load::requests::CellSource;
use inferbench_engine::load::{RequestError, RequestSource};
use inferbench_engine::os::clock;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::facts::window::Window;
use inferbench_model::plan::prompt::PromptError;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Answers each request with four tokens: the first after a time that differs
/// from connection to connection, so that they do not end together, the others
/// 5 ms apart.
fn paced(peer: &mut Peer) {
    answer_slower(peer, 1);
}

/// The same, every time of it four times as long: what the client itself takes
/// between two requests is then a small share, also on a slow machine.
fn paced_slowly(peer: &mut Peer) {
    answer_slower(peer, 4);
}

fn answer_slower(peer: &mut Peer, times: u64) {
    let first_ns = 15_000_000 + 3_000_000 * (peer.number as u64 % 8);
    while let Some(request) = peer.request() {
        peer.write(SSE_HEAD);
        for n in 0..u64::from(TOKENS) {
            wait_until(request.read_ns + times * (first_ns + n * 5_000_000));
            peer.write(chunk(event("t")));
        }
        peer.write(chunk(ending(16, TOKENS)));
        peer.write("0\r\n\r\n");
    }
}

fn run_paced(load: Value) -> Ran {
    run_answered(paced, load)
}

fn run_answered(answer: fn(&mut Peer), load: Value) -> Ran {
    let server = TestServer::start(answer);
    let target = server.target();
    let ran = run(&target, load, source(&target, 0), &CancellationToken::new());
    for record in &ran.records {
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    }
    ran
}

fn of_phase(records: &[RequestRecord], phase: Phase) -> Vec<&RequestRecord> {
    records.iter().filter(|r| r.phase == phase).collect()
}

fn first_measured_ns(records: &[RequestRecord]) -> u64 {
    let measured = of_phase(records, Phase::Measured);
    measured.iter().filter_map(|r| r.sent_ns).min().unwrap()
}

fn last_measured_end_ns(records: &[RequestRecord]) -> u64 {
    let measured = of_phase(records, Phase::Measured);
    measured.iter().map(|r| r.end_ns).max().unwrap()
}

/// Most requests in flight, and the share of `from..to` with fewer than `n`.
fn sweep(records: &[RequestRecord], n: i32, from: u64, to: u64) -> (i32, f64) {
    let mut steps: Vec<(u64, i32)> = Vec::new();
    for record in records {
        steps.push((record.sent_ns.unwrap(), 1));
        steps.push((record.end_ns, -1));
    }
    steps.sort_unstable();
    let (mut flying, mut most, mut below_ns) = (0, 0, 0);
    for pair in steps.windows(2) {
        flying += pair[0].1;
        most = most.max(flying);
        let (start, end) = (pair[0].0.clamp(from, to), pair[1].0.clamp(from, to));
        if flying < n {
            below_ns += end - start;
        }
    }
    (most, below_ns as f64 / (to - from) as f64)
}

#[test]
fn a_closed_loop_keeps_exactly_its_level_in_flight() {
    let load = json!({"concurrency": [8], "requests": 40, "warmup_requests": 8});
    let ran = run_answered(paced_slowly, load);
    ran.outcome.unwrap();
    let from = first_measured_ns(&ran.records);
    let to = Window::from_records(&ran.records).unwrap().end_ns;
    let (most, below) = sweep(&ran.records, 8, from, to);
    assert_eq!(most, 8);
    // Between an end and the next send of its slot there is only the client.
    assert!(below < 0.10, "below the level for {:.1} %", below * 100.0);
}

#[test]
fn warm_up_ends_by_completions_and_nothing_is_sent_beyond_what_is_measured() {
    let ran = run_paced(json!({"concurrency": [4], "requests": 20, "warmup_requests": 6}));
    ran.outcome.unwrap();
    let records = &ran.records;
    let from = first_measured_ns(records);
    assert_eq!(of_phase(records, Phase::Measured).len(), 20);
    let warmup = of_phase(records, Phase::Warmup);
    // Six have ended; the other slots were still busy with theirs.
    assert!((6..=6 + 3).contains(&warmup.len()), "{}", warmup.len());
    assert!(warmup.iter().filter(|r| r.end_ns <= from).count() >= 6);
    assert!(warmup.iter().all(|r| r.sent_ns.unwrap() <= from));
    let indices: BTreeSet<u64> = records.iter().map(|r| r.index).collect();
    assert_eq!(indices.len(), records.len(), "an index was given twice");
    assert!(indices.into_iter().eq(0..records.len() as u64));
    assert_eq!(ran.progress.measured.load(Ordering::Relaxed), 20);
    assert_eq!(
        ran.progress.sent.load(Ordering::Relaxed),
        records.len() as u64
    );
    assert_eq!(ran.progress.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn only_the_first_use_of_a_connection_has_a_connect_time() {
    let ran = run_paced(json!({"concurrency": [3], "requests": 12}));
    let check = ran.outcome.unwrap();
    assert_eq!(check.arrival_clock.as_deref(), Some("kernel"));
    let connected = ran.records.iter().filter(|r| r.connect_ms.is_some());
    assert_eq!(connected.count(), 3);
}

#[test]
fn a_duration_limits_the_sends_and_not_the_answers() {
    let ran = run_paced(json!({"concurrency": [4], "duration": "400ms"}));
    ran.outcome.unwrap();
    let from = first_measured_ns(&ran.records);
    let measured = of_phase(&ran.records, Phase::Measured);
    // One request of a slot takes 30 to 39 ms.
    assert!((20..=56).contains(&measured.len()), "{}", measured.len());
    let last_send = measured.iter().filter_map(|r| r.sent_ns).max().unwrap();
    assert!(last_send - from <= 425_000_000, "{}", last_send - from);
    assert!(last_measured_end_ns(&ran.records) - from > 400_000_000);
}

/// The bodies of a cell of one slot, in their order.
fn bodies(block: u32) -> Vec<Vec<u8>> {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let server = TestServer::start(move |peer| {
        while let Some(request) = peer.request() {
            seen.lock().unwrap().push(request.body);
            peer.write(common::server::good_answer());
        }
    });
    let target = server.target();
    let load = json!({"concurrency": [1], "requests": 20, "warmup_requests": 2});
    let ran = run(
        &target,
        load,
        source(&target, block),
        &CancellationToken::new(),
    );
    ran.outcome.unwrap();
    let bodies = bodies.lock().unwrap();
    bodies.clone()
}

#[test]
fn two_backends_are_asked_the_same_and_two_blocks_are_not() {
    let (one, other, later) = (bodies(0), bodies(0), bodies(1));
    assert_eq!(one.len(), 22);
    assert!(one == other, "the backends were asked different things");
    assert!(one.iter().zip(&later).all(|(a, b)| a != b));
    let distinct: BTreeSet<&Vec<u8>> = one.iter().collect();
    assert_eq!(distinct.len(), 22);
    let body: Value = serde_json::from_slice(&one[0]).unwrap();
    assert_eq!(body["prompt"].as_array().unwrap().len(), 16);
    assert_eq!(body["max_tokens"], TOKENS);
}

#[test]
fn an_interrupted_cell_ends_within_a_second_with_a_record_for_each_request() {
    for load in [
        json!({"concurrency": [4], "requests": 100}),
        json!({"request_rate": [500], "requests": 1000}),
    ] {
        let (sender, asked) = mpsc::channel();
        let server = TestServer::start(move |peer| {
            peer.request();
            // The test may have seen enough.
            let _: Result<(), _> = sender.send(());
            peer.write(SSE_HEAD);
            peer.write(chunk(event("t")));
            peer.until_closed();
        });
        let target = server.target();
        let source = source(&target, 0);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..4 {
                asked.recv().unwrap();
            }
            stop.cancel();
            Instant::now()
        });
        let ran = run(&target, load, source, &cancel);
        let took = thread.join().unwrap().elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        ran.outcome.unwrap();
        assert!(ran.records.len() >= 4);
        for record in &ran.records {
            assert_eq!(record.reason.as_deref(), Some("interrupted"));
        }
    }
}

/// Offers 200 requests/s to a server that can serve 83; gives the 99th
/// percentile of the send lag, ms.
fn lag_while_the_server_falls_behind() -> f64 {
    // One request at a time, 12 ms each: 200 requests/s cannot be served.
    let turn = Arc::new(Mutex::new(()));
    let server = TestServer::start(move |peer| {
        while peer.request().is_some() {
            let guard = turn.lock().unwrap();
            wait_until(clock::now_ns() + 12_000_000);
            drop(guard);
            peer.write(common::server::good_answer());
        }
    });
    let target = server.target();
    let load = json!({
        "request_rate": [200], "arrivals": "constant", "requests": 100, "warmup_requests": 4
    });
    let ran = run(&target, load, source(&target, 0), &CancellationToken::new());
    ran.outcome.unwrap();
    let mut records = ran.records;
    records.sort_by_key(|record| record.index);
    assert_eq!(records.len(), 104);
    assert_eq!(of_phase(&records, Phase::Measured).len(), 100);
    for pair in records.windows(2) {
        let planned = |n: usize| pair[n].scheduled_ns.unwrap() as i64;
        let off_ns = planned(1) - planned(0) - 5_000_000;
        assert!(
            off_ns.abs() <= 1,
            "a gap of the schedule is off by {off_ns} ns"
        );
    }
    let mut lags: Vec<f64> = records.iter().map(|r| r.send_lag_ms.unwrap()).collect();
    lags.sort_by(f64::total_cmp);
    assert!(lags[0] >= 0.0);
    let late = |records: &[RequestRecord]| {
        let late = records.iter().map(|r| r.e2e_from_schedule_ms.unwrap());
        late.sum::<f64>() / records.len() as f64
    };
    let (first, last) = (late(&records[..10]), late(&records[94..]));
    // Each request waits 7 ms longer than the one before it.
    assert!(last - first > 400.0, "first {first} ms, last {last} ms");
    // One of 104 lies above it.
    lags[102]
}

#[test]
fn an_open_loop_keeps_its_schedule_while_the_server_falls_behind() {
    // A busy machine may hold the client up; a client that waits for the
    // server is some 700 ms late in every try.
    let mut tries = std::iter::repeat_with(lag_while_the_server_falls_behind).take(4);
    assert!(
        tries.any(|lag_ms| lag_ms < 20.0),
        "the p99 of the send lag is never below 20 ms"
    );
}

#[test]
fn an_infinite_rate_sends_all_at_once() {
    let ran = run_paced(json!({"request_rate": ["inf"], "requests": 50}));
    ran.outcome.unwrap();
    assert_eq!(of_phase(&ran.records, Phase::Measured).len(), 50);
    let planned: BTreeSet<_> = ran.records.iter().map(|r| r.scheduled_ns).collect();
    assert_eq!(planned.len(), 1);
    for record in &ran.records {
        assert!(record.send_lag_ms.unwrap() < 250.0, "{record:?}");
    }
}

/// Makes five requests and no more.
struct Failing(CellSource);

impl RequestSource for Failing {
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        if index >= 5 {
            return Err(RequestError::Prompt(PromptError::NoOrdinaryTokens));
        }
        self.0.make(index)
    }
}

#[test]
fn a_request_that_cannot_be_made_ends_the_cell_with_its_index() {
    let server = TestServer::start(paced);
    let target = server.target();
    for load in [
        json!({"concurrency": [2], "requests": 20}),
        json!({"request_rate": [500], "requests": 20}),
    ] {
        let source = Failing(source(&target, 0));
        let ran = run(&target, load, source, &CancellationToken::new());
        let error = ran.outcome.unwrap_err();
        assert_eq!(error.to_string(), "request 5 cannot be made");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, PromptError::NoOrdinaryTokens.to_string());
        // What was sent before is not lost.
        assert_eq!(ran.records.len(), 5);
    }
}

#[test]
fn a_server_that_is_gone_fails_each_request_without_a_busy_loop() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let began = Instant::now();
    let load = json!({"concurrency": [2], "requests": 6});
    let ran = run(&target, load, source(&target, 0), &CancellationToken::new());
    ran.outcome.unwrap();
    assert_eq!(ran.progress.failed.load(Ordering::Relaxed), 6);
    for record in &ran.records {
        assert_eq!(record.reason.as_deref(), Some("connection_refused"));
        assert_eq!((record.sent_ns, record.ttft_ms), (None, None));
    }
    assert!(began.elapsed() >= Duration::from_millis(200));
}
