//! Which connection a request goes over: kept ones that the server closes, the few
//! that an open loop needs, and what the kernel acknowledges.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

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

/// A server whose first connection answers one request and then does `second` with
/// the next; all others answer everything.
fn closing(second: impl Fn(&mut Peer) + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |peer| {
        if peer.number == 0 {
            peer.request();
            peer.write(good_answer());
            second(peer);
            return;
        }
        while peer.request().is_some() {
            peer.write(good_answer());
        }
    })
}

/// Two requests over one slot.
async fn two_over(target: &Target) -> [RequestRecord; 2] {
    let mut slot = None;
    let first = ask_over(&mut slot, target, patient()).await;
    assert!(first.is_ok() && !first.resent, "{first:?}");
    [first, ask_over(&mut slot, target, patient()).await]
}

#[tokio::test]
async fn a_request_that_meets_the_close_of_a_kept_connection_is_sent_once_more() {
    let in_order = closing(|peer| {
        peer.request();
    });
    let reset = closing(|peer| {
        peer.request();
        peer.reset_on_drop();
    });
    let unread = closing(|peer| {
        // Bytes that nobody has read make the kernel reset.
        let mut some = [0; 10];
        peer.stream.read_exact(&mut some).unwrap();
    });
    for server in [in_order, reset, unread] {
        let target = server.target();
        let [_, second] = two_over(&target).await;
        assert!(second.is_ok() && second.resent, "{second:?}");
        assert!(second.connect_ms.is_some(), "it was timed on a new one");
        assert_eq!(server.accepted(), 2);
        assert!(!target.keeps_connections());
    }
}

#[tokio::test]
async fn the_close_of_a_new_connection_is_a_failure() {
    for resets in [false, true] {
        let server = TestServer::start(move |peer| {
            peer.request();
            if resets {
                peer.reset_on_drop();
            }
        });
        let target = server.target();
        let record = ask_over(&mut None, &target, patient()).await;
        let expected = if resets {
            "connection_reset"
        } else {
            "connection_closed"
        };
        assert_eq!(reason(&record), expected);
        assert!(!record.resent && target.keeps_connections());
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_request_is_never_sent_a_third_time() {
    let server = TestServer::start(|peer| {
        peer.request();
        if peer.number == 0 {
            peer.write(good_answer());
            peer.request();
        }
    });
    let [_, second] = two_over(&server.target()).await;
    assert_eq!(reason(&second), "connection_closed");
    assert!(second.resent, "{second:?}");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn after_the_first_byte_of_an_answer_nothing_is_sent_again() {
    for beginning in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-Ty",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let server = closing(move |peer| {
            peer.request();
            peer.write(beginning);
            peer.close();
            peer.until_closed();
        });
        let [_, second] = two_over(&server.target()).await;
        assert_eq!(reason(&second), "connection_closed", "{beginning}");
        assert!(!second.resent);
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_kept_connection_that_stays_silent_is_no_close() {
    let server = closing(|peer| {
        peer.request();
        peer.until_closed();
    });
    let target = server.target();
    let mut slot = None;
    assert!(ask_over(&mut slot, &target, patient()).await.is_ok());
    let brief = common::limits(Duration::from_millis(200), None);
    let second = ask_over(&mut slot, &target, brief).await;
    assert_eq!(reason(&second), "timeout");
    assert!(!second.resent && target.keeps_connections());
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_again_was_not_sent() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut peer = Peer::from_stream(stream);
        peer.request();
        peer.write(good_answer());
        // The server goes away for good.
        drop(listener);
        peer.request();
    });
    let [_, second] = two_over(&target).await;
    assert_eq!(reason(&second), "connection_refused");
    assert_eq!((second.sent_ns, second.resent), (None, false));
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_request_whole() {
    let (sender, bodies) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(good_answer());
        if peer.number == 0 {
            // Long before the client has written it all.
            let mut some = [0; 1024];
            peer.stream.read_exact(&mut some).unwrap();
            return;
        }
        peer.until_closed();
    });
    let taken = TestServer::start(move |peer| {
        let mut first = true;
        while let Some(request) = peer.request() {
            sender.send(request.body).unwrap();
            if peer.number == 0 && !first {
                return;
            }
            first = false;
            peer.write(good_answer());
        }
    });
    let client = common::completions();
    let spec = RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::Text("tell me ".repeat(1_000_000)))
    };
    let mut slot = None;
    let small = common::text_request();
    for spec in [&small, &spec] {
        let target = taken.target();
        let outcome = common::exchange_over(&mut slot, &target, &client, spec, patient()).await;
        assert!(common::record(outcome).is_ok());
    }
    let bodies: Vec<Vec<u8>> = bodies.try_iter().collect();
    assert_eq!(bodies.len(), 3, "one, and the second one twice");
    assert!(bodies[1] == bodies[2] && bodies[1].len() > 8_000_000);
    // Cut off in the middle of writing.
    let (target, mut slot) = (server.target(), None);
    for (spec, resent) in [(&small, false), (&spec, true)] {
        let outcome = common::exchange_over(&mut slot, &target, &client, spec, patient()).await;
        let record = common::record(outcome);
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
        assert_eq!(record.resent, resent);
    }
}

fn attached(keys: Value) -> Target {
    let mut keys = keys;
    keys["plugin"] = json!("openai");
    let backend: BackendConfig = serde_json::from_value(keys).unwrap();
    Target::attached(&backend).unwrap().remove(0)
}

#[tokio::test]
async fn under_tls_too_a_kept_connection_may_close() {
    for says_goodbye in [false, true] {
        let authority = Authority::new("an issuer");
        let turns = AtomicUsize::new(0);
        let answering = move |stream: &mut SecureStream| {
            let first = turns.fetch_add(1, Ordering::SeqCst) == 0;
            // Connecting takes its time, which enters no latency.
            std::thread::sleep(Duration::from_millis(100));
            let mut answered = false;
            while request(stream).is_some() {
                if first && answered {
                    if says_goodbye {
                        stream.conn.send_close_notify();
                        stream.flush().unwrap();
                    }
                    return;
                }
                stream.write_all(good_answer().as_bytes()).unwrap();
                stream.flush().unwrap();
                answered = true;
            }
        };
        let port = serve(authority.server("localhost", 2020..2090), answering);
        let url = format!("https://localhost:{port}");
        let target = attached(json!({"attach": url, "tls": {"ca_file": authority.path()}}));
        let [_, second] = two_over(&target).await;
        assert!(second.is_ok() && second.resent, "{second:?}");
        assert!(second.connect_ms.unwrap() >= 100.0, "{second:?}");
        assert!(second.ttft_ms.unwrap() < 90.0, "{second:?}");
    }
}

fn run_load(target: &Target, load: Value) -> Ran {
    run(target, load, source(target, 0), &CancellationToken::new())
}

fn all_ok(ran: &Ran) {
    for record in &ran.records {
        assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    }
}

fn resent(ran: &Ran) -> usize {
    ran.records.iter().filter(|record| record.resent).count()
}

#[test]
fn a_server_that_closed_once_gets_new_connections_from_then_on() {
    // Each connection answers one request and closes when the next one comes.
    let server = TestServer::start(|peer| {
        peer.request();
        peer.write(good_answer());
        peer.request();
    });
    let target = server.target();
    let ran = run_load(&target, json!({"concurrency": [1], "requests": 12}));
    all_ok(&ran);
    assert_eq!(resent(&ran), 1, "the second one alone");
    assert!(ran.records.iter().all(|r| r.connect_ms.is_some()));
    assert_eq!(server.accepted(), 12);
    // Later cells know it from their first request on.
    let ran = run_load(&target, json!({"request_rate": [100], "requests": 10}));
    all_ok(&ran);
    assert_eq!((resent(&ran), server.accepted()), (0, 22));
}

#[test]
fn a_server_that_closes_a_moment_after_each_answer_fails_no_request() {
    for load in [
        json!({"concurrency": [2], "requests": 60}),
        json!({"request_rate": [200], "requests": 60}),
    ] {
        let server = TestServer::start(|peer| {
            if let Some(request) = peer.request() {
                wait_until(request.read_ns + 2 * MS_NS);
                peer.write(good_answer());
                wait_until(clock::now_ns() + 150_000);
            }
        });
        let ran = run_load(&server.target(), load);
        all_ok(&ran);
        assert_eq!(ran.records.len(), 60);
    }
}

/// Answers after `ms`.
fn after_ms(peer: &mut Peer, ms: u64) -> bool {
    match peer.request() {
        Some(request) => {
            wait_until(request.read_ns + ms * MS_NS);
            peer.write(good_answer())
        }
        None => false,
    }
}

#[test]
fn an_open_loop_opens_no_more_connections_than_rate_and_latency_call_for() {
    let unused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&unused);
    let server = TestServer::start(move |peer| {
        let mut answers = 0;
        while after_ms(peer, 5) {
            answers += 1;
        }
        count.fetch_add(usize::from(answers == 0), Ordering::SeqCst);
    });
    let load = json!({"request_rate": [20], "arrivals": "constant", "requests": 30});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    // One is in use at a time, and the next send takes its own 20 ms ahead.
    let most = ran.outcome.unwrap().connections_open_max.unwrap();
    let accepted = server.accepted() as u64;
    assert!((1..=4).contains(&most) && most <= accepted, "{most}");
    assert!(unused.load(Ordering::SeqCst) <= 1, "opened for nothing");
}

#[test]
fn an_infinite_rate_opens_one_connection_for_each_request_before_the_clock() {
    let server = TestServer::start(|peer| while after_ms(peer, 600) {});
    let load = json!({"request_rate": ["inf"], "requests": 50});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    assert_eq!(server.accepted(), 50);
    assert_eq!(ran.outcome.unwrap().connections_open_max, Some(50));
    assert!(ran.records.iter().all(|r| r.connect_ms.is_some()));
}

/// A server with few threads, each of which serves one connection until it closes
/// or was idle for five seconds.
fn with_threads(threads: usize, answer_ms: u64) -> TestServer {
    let places = Arc::new((Mutex::new(threads), Condvar::new()));
    TestServer::start(move |peer| {
        let (free, changed) = &*places;
        let mut free_now = free.lock().unwrap();
        while *free_now == 0 {
            free_now = changed.wait(free_now).unwrap();
        }
        *free_now -= 1;
        drop(free_now);
        let idle = Some(Duration::from_secs(5));
        peer.stream.set_read_timeout(idle).unwrap();
        while after_ms(peer, answer_ms) {}
        *free.lock().unwrap() += 1;
        changed.notify_one();
    })
}

#[test]
fn a_server_with_a_thread_for_each_connection_is_not_starved_by_an_open_loop() {
    let server = with_threads(4, 10);
    let target = server.target();
    // A tenfold rate, and the first one again.
    for rate in [4, 40, 4] {
        let load = json!({"request_rate": [rate], "arrivals": "constant", "requests": 12});
        let ran = run_load(&target, load);
        all_ok(&ran);
        let longest = ran
            .records
            .iter()
            .filter_map(|r| r.ttft_ms)
            .fold(0.0, f64::max);
        assert!(longest < 2_000.0, "{longest} ms at {rate} requests/s");
    }
}

#[test]
fn a_request_does_not_wait_for_a_thread_that_a_free_connection_holds() {
    // Two requests at once need a second connection, for which there is a thread
    // only when the first one closes.
    for (threads, rate) in [(1, 5), (2, 12)] {
        let server = with_threads(threads, 40);
        let load = json!({"request_rate": [rate], "requests": 40});
        let ran = run_load(&server.target(), load);
        all_ok(&ran);
        let longest = ran.records.iter().filter_map(|r| r.ttft_ms);
        let longest = longest.fold(0.0, f64::max);
        assert!(longest < 2_000.0, "{longest} ms with {threads} threads");
    }
}

#[test]
fn a_limit_on_connections_is_not_reached_by_idle_ones() {
    let open = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(move |peer| {
        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
        while let Some(request) = peer.request() {
            wait_until(request.read_ns + 3 * MS_NS);
            peer.write(match now > 32 {
                true => answer("503 Service Unavailable", "text/plain", "", "too many"),
                false => good_answer(),
            });
        }
        open.fetch_sub(1, Ordering::SeqCst);
    });
    let ran = run_load(
        &server.target(),
        json!({"request_rate": [100], "requests": 300}),
    );
    all_ok(&ran);
}

#[test]
fn a_connection_that_no_send_needs_is_closed_long_before_the_server_would() {
    let (sender, idle) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        while after_ms(peer, 1) {
            let answered = Instant::now();
            let mut byte = [0];
            if peer.stream.peek(&mut byte).unwrap() == 0 {
                sender.send(answered.elapsed()).unwrap();
            }
        }
    });
    let load = json!({"request_rate": [0.5], "arrivals": "constant", "requests": 2});
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    // The gap is two seconds.
    assert!(idle.recv().unwrap() < Duration::from_millis(1_700));
    assert_eq!(server.accepted(), 2);
}

#[test]
fn bursts_find_their_connections_open() {
    let server = TestServer::start(|peer| while after_ms(peer, 20) {});
    let load = json!({
        "request_rate": [50], "arrivals": "gamma", "burstiness": 0.1, "requests": 150
    });
    let ran = run_load(&server.target(), load);
    all_ok(&ran);
    let most = ran.outcome.unwrap().connections_open_max.unwrap();
    assert!(most <= 150, "{most}");
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
