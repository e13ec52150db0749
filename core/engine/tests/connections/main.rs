//! Which connection a request goes over: kept ones that the server closes, the few
//! that an open loop needs, and what the kernel acknowledges.

#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../common/mod.rs"]
mod common;
mod kept;
mod number;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use common::cell::{Ran, run, source};
use common::secure::{Authority, SecureStream, request, serve};
use common::server::{
    Peer, SSE_HEAD, TestServer, answer, chunk, ending, event, good_answer, wait_until,
};
use common::{ask_over, patient};
use inferbench_engine::http::Target;
use inferbench_engine::os::clock;
use inferbench_model::config::BackendConfig;
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::{PromptContent, RequestSpec};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const MS_NS: u64 = 1_000_000;

fn reason(record: &RequestRecord) -> &str {
    record.reason.as_deref().unwrap_or("none")
}

fn attached(keys: Value) -> Target {
    let mut keys = keys;
    keys["plugin"] = json!("openai");
    let backend: BackendConfig = serde_json::from_value(keys).unwrap();
    Target::attached(&backend).unwrap().remove(0)
}

fn run_load(target: &Target, load: Value) -> Ran {
    run(target, load, source(target, 0), &CancellationToken::new())
}

fn all_ok(ran: &Ran) {
    for record in &ran.records {
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    }
}

/// Sends the head, then eight events 8 ms apart, the n-th of the connection of
/// `bytes(n)`, and leaves it to the kernel when small segments go out (Nagle's
/// algorithm).
fn with_nagle(bytes: fn(usize) -> usize) -> TestServer {
    TestServer::start(move |peer| {
        peer.stream.set_nodelay(false).unwrap();
        let mut n = 0;
        while peer.request().is_some() {
            peer.write(SSE_HEAD);
            for _ in 0..8 {
                wait_until(clock::now_ns() + 8 * MS_NS);
                peer.write(chunk(event(&"x".repeat(bytes(n)))));
                n += 1;
            }
            peer.write(chunk(ending(3, 8)));
            peer.write("0\r\n\r\n");
        }
    })
}

#[test]
fn a_server_with_nagles_algorithm_is_not_held_up_by_late_acknowledgements() {
    // Of one size, and ever longer, as a server's that sends the whole text so far.
    let sizes: [fn(usize) -> usize; 3] = [|_| 10, |n| 100 + 30 * n, |n| 400 + 200 * n];
    for bytes in sizes {
        let server = with_nagle(bytes);
        let ran = run_load(
            &server.target(),
            json!({"concurrency": [1], "requests": 12}),
        );
        all_ok(&ran);
        assert_eq!(server.accepted(), 1, "the connection is kept");
        // A busy machine only adds: the best request shows what the client adds to
        // all. One late acknowledgement takes 40 ms.
        let least = |of: fn(&RequestRecord) -> Option<f64>| {
            let kept = ran.records.iter().filter(|r| r.index >= 4);
            kept.filter_map(of).fold(f64::INFINITY, f64::min)
        };
        let ttft_ms = least(|record| record.ttft_ms);
        assert!(
            (7.0..35.0).contains(&ttft_ms),
            "first event after {ttft_ms} ms"
        );
        let e2e_ms = least(|record| record.e2e_latency_ms);
        assert!(
            (63.0..100.0).contains(&e2e_ms),
            "last event after {e2e_ms} ms"
        );
    }
}
