//! The load on several threads: what is sent is what one thread sends.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::BTreeMap;

use common::cell::{Ran, TOKENS, run, source};
use common::server::{Peer, SSE_HEAD, TestServer, chunk, ending, event};
use inferbench_model::facts::record::{Phase, RequestRecord};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Answers each request with four tokens, without a pause.
fn at_once(peer: &mut Peer) {
    while peer.request().is_some() {
        peer.write(SSE_HEAD);
        for _ in 0..TOKENS {
            peer.write(chunk(event("t")));
        }
        peer.write(chunk(ending(16, TOKENS)));
        peer.write("0\r\n\r\n");
    }
}

fn run_on(threads: Value, load: &Value) -> Ran {
    let server = TestServer::start(at_once);
    let target = server.target();
    let mut load = load.clone();
    load["threads"] = threads;
    let ran = run(&target, load, source(&target, 0), &CancellationToken::new());
    for record in &ran.records {
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    }
    ran
}

/// How many requests of each phase, with the indices that there are.
fn sent(records: &[RequestRecord]) -> (Vec<u64>, BTreeMap<String, usize>) {
    let mut indices: Vec<u64> = records.iter().map(|record| record.index).collect();
    indices.sort_unstable();
    let mut phases = BTreeMap::new();
    for record in records {
        *phases.entry(format!("{:?}", record.phase)).or_default() += 1;
    }
    (indices, phases)
}

#[test]
fn a_closed_loop_sends_each_request_once_whatever_the_threads() {
    let load = json!({"concurrency": [7], "requests": 200});
    for threads in [json!(1), json!(2), json!(3)] {
        let ran = run_on(threads.clone(), &load);
        let check = ran.outcome.unwrap();
        assert_eq!(check.load_threads.map(u64::from), threads.as_u64());
        let (indices, phases) = sent(&ran.records);
        assert_eq!(indices, Vec::from_iter(0..200), "{threads} threads");
        assert_eq!(phases, BTreeMap::from([("Measured".to_owned(), 200)]));
    }
}

#[test]
fn warm_up_comes_first_in_the_order_of_all_threads() {
    let load = json!({"concurrency": [6], "requests": 60, "warmup_requests": 12});
    let ran = run_on(json!(3), &load);
    ran.outcome.unwrap();
    let of_phase = |phase| {
        let records = ran
            .records
            .iter()
            .filter(move |record| record.phase == phase);
        records.map(|record| record.index)
    };
    let last_warm = of_phase(Phase::Warmup).max().unwrap();
    let first_measured = of_phase(Phase::Measured).min().unwrap();
    assert!(last_warm < first_measured, "{last_warm}, {first_measured}");
    assert_eq!(of_phase(Phase::Measured).count(), 60);
    assert!(of_phase(Phase::Warmup).count() >= 12);
}

#[test]
fn an_open_loop_sends_request_i_at_the_time_of_send_i_whatever_the_threads() {
    let load = json!({"request_rate": [400.0], "requests": 80, "warmup_requests": 8});
    let planned = |threads: u32| {
        let ran = run_on(json!(threads), &load);
        ran.outcome.unwrap();
        let mut records: Vec<_> = ran
            .records
            .iter()
            .map(|record| (record.index, record.scheduled_ns.unwrap(), record.phase))
            .collect();
        records.sort_unstable_by_key(|(index, ..)| *index);
        let start_ns = records[0].1;
        let after_start = records
            .iter()
            .map(|(i, at, phase)| (*i, at - start_ns, *phase));
        after_start.collect::<Vec<_>>()
    };
    let one = planned(1);
    assert_eq!(one.len(), 88);
    assert_eq!(planned(2), one);
    assert_eq!(planned(5), one);
}

#[test]
fn there_are_never_more_threads_than_slots() {
    let load = json!({"concurrency": [2], "requests": 10});
    let check = run_on(json!(8), &load).outcome.unwrap();
    assert_eq!(check.load_threads, Some(2));
}

#[test]
fn a_cell_that_is_interrupted_before_it_begins_ends_on_all_threads() {
    let server = TestServer::start(at_once);
    let target = server.target();
    let load = json!({"concurrency": [4], "requests": 100, "threads": 2});
    let cancel = CancellationToken::new();
    cancel.cancel();
    let ran = run(&target, load, source(&target, 0), &cancel);
    ran.outcome.unwrap();
    assert!(ran.records.len() <= 4, "{} records", ran.records.len());
}
