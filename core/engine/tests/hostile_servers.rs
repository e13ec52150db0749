//! Hostile or broken servers: slow, refusing, lying about what they send, or
//! sending without end. Each request ends within its limits with a
//! reason, the next one goes on, and memory does not grow with what is sent.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::server::{SSE_HEAD, TestServer, answer, chunk, ending, event, good_answer, wait_until};
use common::{ask, ask_over, limits, patient};
use flate2::Compression;
use flate2::write::GzEncoder;
use inferbench_engine::http::Target;
use inferbench_engine::os::clock;
use inferbench_model::facts::record::RequestRecord;
use nix::sys::socket::{Backlog, listen};

const MIB: usize = 1 << 20;
/// Held by whoever needs much memory or measures it: all tests share a process.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn reason(record: &RequestRecord) -> &str {
    record.reason.as_deref().unwrap_or("none")
}

fn message(record: &RequestRecord) -> &str {
    record.message.as_deref().unwrap_or("none")
}

/// Memory of this process, MiB.
fn resident_mib() -> usize {
    let status = procfs::process::Process::myself()
        .unwrap()
        .status()
        .unwrap();
    status.vmrss.unwrap() as usize / 1024
}

#[tokio::test]
async fn a_slow_accept_is_connect_time_and_enters_no_latency() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // A queue of one, so that the second connection waits for the first accept.
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let filler = std::net::TcpStream::connect(address).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(600));
        drop(filler);
        for stream in listener.incoming().flatten() {
            let mut peer = common::server::Peer::from_stream(stream);
            if peer.request().is_some() {
                peer.write(good_answer());
            }
        }
    });
    let target = Target::parse(&format!("http://{address}")).unwrap();
    let began = Instant::now();
    let record = ask(&target, patient()).await;
    assert!(record.is_ok(), "{record:?}");
    assert!(began.elapsed() >= Duration::from_millis(500));
    // The kernel completes the handshake by itself or retries it; either way the
    // wait lies before `sent` or in the time to the first byte, never in the gaps.
    assert!(record.itl_ms.iter().sum::<f64>() < 500.0, "{record:?}");
}

/// A server that sends one byte of a good answer each `every`.
fn dripping(every: Duration) -> TestServer {
    TestServer::start(move |peer| {
        peer.request();
        let mut due_ns = clock::now_ns();
        for byte in good_answer().bytes() {
            if !peer.write([byte]) {
                return;
            }
            due_ns += every.as_nanos() as u64;
            wait_until(due_ns);
        }
    })
}

#[tokio::test]
async fn one_byte_a_second_ends_at_the_idle_timeout() {
    let server = dripping(Duration::from_secs(1));
    let idle = Some(Duration::from_millis(300));
    let record = ask(&server.target(), limits(Duration::from_secs(30), idle)).await;
    assert_eq!(reason(&record), "read_timeout");
}

#[tokio::test]
async fn bytes_that_never_pause_for_long_end_at_the_total_timeout() {
    let server = dripping(Duration::from_millis(100));
    let idle = Some(Duration::from_secs(5));
    let total = Duration::from_millis(900);
    let record = ask(&server.target(), limits(total, idle)).await;
    assert_eq!(reason(&record), "timeout");
    assert_eq!(record.ttft_ms, None);
}

#[tokio::test]
async fn a_head_of_a_megabyte_is_refused_before_it_is_kept() {
    for head in [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(MIB)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MIB / 6)),
    ] {
        let server = TestServer::always(head);
        let record = ask(&server.target(), patient()).await;
        assert_eq!(reason(&record), "bad_http");
    }
}

#[tokio::test]
async fn every_second_request_that_fails_fails_alone() {
    let server = TestServer::start(|peer| {
        let mut n = 0;
        while peer.request().is_some() {
            n += 1;
            peer.write(match n % 2 {
                1 => good_answer(),
                _ => answer("500 Oops", "text/plain", "", "boom"),
            });
        }
    });
    let (target, mut slot) = (server.target(), None);
    for n in 0..6 {
        let record = ask_over(&mut slot, &target, patient()).await;
        let expected = if n % 2 == 0 { "none" } else { "http_500" };
        assert_eq!(reason(&record), expected, "request {n}");
    }
    // An error in a well-formed answer costs no connection.
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_429_reports_when_to_retry_and_is_not_retried() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let bytes = answer(
        "429 Too Many Requests",
        "application/json",
        "Retry-After: 20\r\n",
        body,
    );
    let server = TestServer::always(bytes);
    let (target, mut slot) = (server.target(), None);
    let record = ask_over(&mut slot, &target, patient()).await;
    assert_eq!(reason(&record), "http_429");
    let words = "slow down (the server asks to retry after 20 s)";
    assert_eq!(message(&record), words);
    let again = ask_over(&mut slot, &target, patient()).await;
    assert_eq!(reason(&again), "http_429");
}

#[tokio::test]
async fn an_answer_of_the_wrong_type_is_read_for_what_it_is() {
    for kind in ["text/plain", "application/octet-stream", "image/png", ""] {
        let body = format!("{}{}", event("a"), ending(3, 1));
        let server = TestServer::always(answer("200 OK", kind, "", &body));
        let record = ask(&server.target(), patient()).await;
        assert!(record.is_ok(), "{kind}: {record:?}");
    }
    let page = "<html><body>Welcome to nginx!</body></html>";
    let server = TestServer::always(answer("200 OK", "text/html", "", page));
    let record = ask(&server.target(), patient()).await;
    assert!(!record.is_ok(), "a page is no answer: {record:?}");
    assert_eq!(record.output_tokens, None);
}

#[tokio::test]
async fn an_answer_that_came_unasked_is_not_taken_for_the_next_requests() {
    let server = TestServer::start(|peer| {
        if peer.number == 0 {
            peer.request();
            // Two answers to one request: the second belongs to nobody.
            peer.write(good_answer().repeat(2));
            peer.until_closed();
            return;
        }
        while peer.request().is_some() {
            let body = format!("{}{}", event("mine"), ending(3, 1));
            peer.write(answer("200 OK", "text/event-stream", "", &body));
        }
    });
    let (target, mut slot) = (server.target(), None);
    assert!(ask_over(&mut slot, &target, patient()).await.is_ok());
    let second = ask_over(&mut slot, &target, patient()).await;
    assert_eq!(second.text.as_deref(), Some("mine"), "{second:?}");
}

/// A server that sends `first`, then `more` until `bytes` of it are sent or the
/// client has gone.
fn flood(first: Vec<u8>, more: Vec<u8>, bytes: usize) -> TestServer {
    TestServer::start(move |peer| {
        peer.request();
        peer.write(&first);
        let mut sent = 0;
        while sent < bytes && peer.write(&more) {
            sent += more.len();
        }
        peer.until_closed();
    })
}

#[tokio::test]
async fn bodies_of_a_gigabyte_are_read_without_being_kept() {
    let _alone = MEMORY.lock().await;
    let gigabyte = 1024 * MIB;
    let total = limits(Duration::from_secs(4), None);
    let before = resident_mib();
    let head = |status: &str, kind: &str| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {gigabyte}\r\n\r\n"
        );
        head.into_bytes()
    };
    let error = flood(head("500 X", "text/plain"), vec![b'e'; MIB], gigabyte);
    let record = ask(&error.target(), total).await;
    assert_eq!(reason(&record), "http_500");
    let pings = flood(
        SSE_HEAD.into(),
        chunk(": ping\n\n".repeat(10_000)),
        gigabyte,
    );
    let record = ask(&pings.target(), total).await;
    assert_eq!(reason(&record), "timeout");
    let events = flood(
        SSE_HEAD.into(),
        chunk(b"data: {}\n\n".repeat(10_000)),
        gigabyte,
    );
    let record = ask(&events.target(), total).await;
    assert_eq!(reason(&record), "timeout");
    let grown = resident_mib().saturating_sub(before);
    assert!(grown < 150, "{grown} MiB");
}

#[tokio::test]
async fn one_line_without_end_is_given_up_at_its_limit() {
    let _alone = MEMORY.lock().await;
    let before = resident_mib();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ";
    let server = flood(head.into(), vec![b'a'; MIB], 1024 * MIB);
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "message_too_long");
    let grown = resident_mib().saturating_sub(before);
    // The line itself is kept up to 64 MiB, and its buffer doubles as it grows.
    assert!(grown < 400, "{grown} MiB");
}

#[tokio::test]
async fn a_gzip_bomb_is_given_up_at_the_limit_of_a_message() {
    let _alone = MEMORY.lock().await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(b"data: ").unwrap();
    for _ in 0..256 {
        bomb.write_all(&vec![b'a'; MIB]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < MIB, "a bomb is small");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let server = TestServer::always([head.into_bytes(), bomb].concat());
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "message_too_long");
}
