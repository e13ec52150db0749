//! Loads that go over time: a rate with a shape, the times of a trace, a limit on what is
//! in flight, slots that begin one after the other. All is read off the records.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::cell::{Ran, run, source};
use common::server::{Peer, TestServer, good_answer, wait_until};
use inferbench_engine::os::clock;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::facts::window::Window;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const MS: u64 = 1_000_000;

/// Answers each request after 40 ms.
fn after_40_ms(peer: &mut Peer) {
    while let Some(request) = peer.request() {
        wait_until(request.read_ns + 40 * MS);
        peer.write(good_answer());
    }
}

fn run_load(load: Value) -> Ran {
    let server = TestServer::start(after_40_ms);
    let target = server.target();
    let mut ran = run(&target, load, source(&target, 0), &CancellationToken::new());
    ran.records.sort_by_key(|record| record.index);
    for record in &ran.records {
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    }
    ran
}

/// Planned times after the first one, ms.
fn planned_ms(records: &[RequestRecord]) -> Vec<u64> {
    let planned = records.iter().map(|record| record.scheduled_ns.unwrap());
    let planned: Vec<u64> = planned.collect();
    planned
        .iter()
        .map(|t_ns| (t_ns - planned[0]) / MS)
        .collect()
}

/// Most requests that were in flight at once.
fn most_in_flight(records: &[RequestRecord]) -> usize {
    let in_flight_at = |t_ns: u64| {
        let is_in_flight = |r: &&RequestRecord| {
            r.sent_ns.is_some_and(|sent_ns| sent_ns <= t_ns) && r.end_ns > t_ns
        };
        records.iter().filter(is_in_flight).count()
    };
    let sends = records.iter().filter_map(|record| record.sent_ns);
    sends.map(in_flight_at).max().unwrap_or(0)
}

#[test]
fn a_rate_with_a_shape_is_sent_as_it_is_planned() {
    let ran = run_load(json!({
        "request_rate": [20], "arrivals": "constant", "requests": 12, "warmup_requests": 2,
        "shape": {"on_off": {"on": "200ms", "off": "100ms"}}
    }));
    ran.outcome.unwrap();
    // Two at 50 ms, then four in each 200 ms, from 100 ms on.
    let by_hand = [
        0, 50, 100, 150, 200, 250, 400, 450, 500, 550, 700, 750, 800, 850,
    ];
    assert_eq!(planned_ms(&ran.records), by_hand);
    let sent_late = ran.records.iter().filter(|r| r.send_lag_ms.unwrap() > 40.0);
    assert!(
        sent_late.count() < 7,
        "a busy machine delays some, not most"
    );
}

#[test]
fn a_trace_is_sent_at_its_times_and_begins_again() {
    let ran = run_load(json!({"arrivals": "trace", "speed": [2], "requests": 6}));
    ran.outcome.unwrap();
    // A round is 450 ms and a third of them: 600 ms, at double speed 300.
    assert_eq!(planned_ms(&ran.records), [0, 50, 200, 225, 300, 350]);
}

#[test]
fn a_limit_holds_sends_back_and_says_so() {
    for threads in [1, 3] {
        let ran = run_load(json!({
            "request_rate": ["inf"], "requests": 9, "max_in_flight": 2, "threads": threads
        }));
        let check = ran.outcome.unwrap();
        assert_eq!(ran.records.len(), 9, "{threads} threads");
        assert_eq!(most_in_flight(&ran.records), 2, "{threads} threads");
        // Two go at once; the others wait for one to four rounds of 40 ms.
        assert_eq!(check.held_back_sends, Some(7), "{threads} threads");
        let longest_ms = check.held_back_ms_max.unwrap();
        let mean_ms = check.held_back_ms_mean.unwrap();
        // 2 x (40 + 80 + 120) + 160 over 7 are 91 ms.
        assert!(longest_ms >= 160.0, "{longest_ms} ms");
        assert!(mean_ms >= 91.0 && mean_ms <= longest_ms, "{mean_ms} ms");
        let planned = planned_ms(&ran.records);
        assert!(planned.iter().all(|t_ms| *t_ms == 0), "{planned:?}");
    }
}

#[test]
fn a_limit_that_is_never_reached_holds_nothing_back() {
    let load = json!({
        "request_rate": [20], "arrivals": "constant", "requests": 5, "max_in_flight": 5
    });
    let check = run_load(load).outcome.unwrap();
    assert_eq!(check.held_back_sends, Some(0));
    assert_eq!(check.held_back_ms_max, None);
    let without = json!({"request_rate": [20], "arrivals": "constant", "requests": 5});
    assert_eq!(run_load(without).outcome.unwrap().held_back_sends, None);
}

#[test]
fn slots_begin_one_after_the_other_and_are_measured_when_all_have() {
    for threads in [1, 2] {
        let began_ns = clock::now_ns();
        let ran = run_load(json!({
            "concurrency": [4], "requests": 16, "ramp_up": "400ms", "threads": threads
        }));
        ran.outcome.unwrap();
        let first_ns = ran.records.iter().filter_map(|r| r.sent_ns).min().unwrap();
        assert!(first_ns >= began_ns);
        let ms = |t_ns: u64| (t_ns - first_ns) / MS;
        let in_phase = |phase| {
            let own = ran.records.iter().filter(move |r| r.phase == phase);
            own.filter_map(|r| r.sent_ns).map(ms).collect::<Vec<u64>>()
        };
        let (warm, measured) = (in_phase(Phase::Warmup), in_phase(Phase::Measured));
        assert_eq!(measured.len(), 16);
        // The last of four slots begins after three quarters of the time; on a busy machine
        // it may be later, and what is sent before it stays warm-up.
        assert!(
            warm.iter().max() <= measured.iter().min(),
            "{warm:?} {measured:?}"
        );
        assert!(measured.iter().all(|t_ms| *t_ms >= 295), "{measured:?}");
        // One slot alone for 100 ms sends at most three times.
        let early = warm.iter().filter(|t_ms| **t_ms < 95).count();
        assert!((1..=3).contains(&early), "{warm:?}");
        assert_eq!(most_in_flight(&ran.records), 4);
        let window = Window::from_records(&ran.records).unwrap();
        assert!(ms(window.start_ns) >= 295);
    }
}
