//! Servers that break HTTP, end it oddly, or never end: each leaves one record
//! that says what happened, within its limits.

#![allow(clippy::unwrap_used, reason = "test code")]

mod closed;
#[path = "../common/mod.rs"]
mod common;
mod endless;
mod said;

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::server::{SSE_HEAD, TestServer, answer, chunk, ending, event, good_answer, wait_until};
use common::{ask, ask_over, cell, limits, patient};
use inferbench_engine::http::{Connection, Target};
use inferbench_engine::load::exchange;
use inferbench_engine::load::requests;
use inferbench_engine::os::clock;
use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::Framing;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn reason(record: &RequestRecord) -> &str {
    record.reason.as_deref().unwrap_or("none")
}

fn message(record: &RequestRecord) -> &str {
    record.message.as_deref().unwrap_or("none")
}

async fn answered_with(bytes: impl Into<Vec<u8>>) -> RequestRecord {
    let server = TestServer::always(bytes);
    ask(&server.target(), patient()).await
}

#[tokio::test]
async fn an_event_in_many_reads_of_one_byte_has_the_time_of_the_last() {
    let (sender, last_write) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(SSE_HEAD);
        let event = chunk(event("é"));
        let (last, before) = event[..event.len() - 2].split_last().unwrap();
        let mut due_ns = clock::now_ns();
        for byte in before {
            peer.write([*byte]);
            due_ns += 1_000_000;
            wait_until(due_ns);
        }
        sender.send(clock::now_ns()).unwrap();
        peer.write([*last]);
        peer.write("\r\n");
        peer.write(chunk(ending(3, 1)));
        peer.until_closed();
    });
    let record = ask(&server.target(), patient()).await;
    assert!(record.is_ok(), "{record:?}");
    assert_eq!(record.text.as_deref(), Some("é"));
    let late_ns = record.first_output_ns.unwrap() as i64 - last_write.recv().unwrap() as i64;
    assert!((-1_000_000..25_000_000).contains(&late_ns), "{late_ns} ns");
}

#[tokio::test]
async fn reads_of_a_closed_connection_are_the_kernels_too() {
    let body = format!("{}{}", event("a"), "data: {}\n\n");
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        peer.write(&body);
        peer.close();
    });
    let (client, spec) = (common::completions(), common::text_request());
    let target = server.target();
    let outcome = common::exchange_over(&mut None, &target, &client, &spec, patient()).await;
    assert!(outcome.reads.reads > 0);
    assert_eq!(outcome.reads.kernel_reads, outcome.reads.reads);
}

#[tokio::test]
async fn lines_of_json_keep_their_times_under_the_type_application_json() {
    let gap = Duration::from_millis(60);
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut due_ns = clock::now_ns();
        for text in ["a", "b"] {
            let line = event(text).trim_start_matches("data: ").trim().to_owned() + "\n";
            peer.write(chunk(line));
            due_ns += gap.as_nanos() as u64;
            wait_until(due_ns);
        }
        peer.write(chunk(
            "{\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n",
        ));
        peer.write("0\r\n\r\n");
        peer.until_closed();
    });
    let target = server.target();
    let mut wire =
        requests::wire(&common::completions(), &target, &common::text_request()).unwrap();
    wire.framing = Framing::Ndjson;
    let cancel = CancellationToken::new();
    let outcome = exchange::run(
        &mut None,
        &target,
        wire,
        Exchange::default(),
        patient(),
        &cancel,
    )
    .await;
    let record = common::record(outcome);
    assert!(record.is_ok(), "{record:?}");
    assert_eq!(record.itl_ms.len(), 1);
    assert!(record.itl_ms[0] >= 50.0, "{record:?}");
}

#[tokio::test]
async fn an_interruption_ends_even_a_connection_that_does_not_open() {
    // A listener whose queue is full answers no further connection.
    let listener = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    use std::os::fd::AsRawFd;
    let fd = listener.as_raw_fd();
    bind(fd, &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let port = getsockname::<SockaddrIn>(fd).unwrap().port();
    let target = Target::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let mut filling = Vec::new();
    while let Ok(connection) = Connection::open(&target, Duration::from_millis(200)).await {
        filling.push(connection);
    }
    let wire = requests::wire(&common::completions(), &target, &common::text_request()).unwrap();
    let cancel = CancellationToken::new();
    let interrupt = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let mut slot = None;
    let request = exchange::run(
        &mut slot,
        &target,
        wire,
        Exchange::default(),
        patient(),
        &cancel,
    );
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(request, interrupt);
    assert_eq!(reason(&common::record(outcome)), "interrupted");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_interruption_ends_a_request_that_is_under_way() {
    let gone = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&gone);
    let (sender, ended) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(SSE_HEAD);
        peer.write(chunk(event("a")));
        peer.stream.flush().unwrap();
        peer.until_closed();
        seen.store(true, Ordering::SeqCst);
        sender.send(()).unwrap();
    });
    let target = server.target();
    let wire = requests::wire(&common::completions(), &target, &common::text_request()).unwrap();
    let cancel = CancellationToken::new();
    let (stop, mut slot) = (cancel.clone(), None);
    let interrupt = async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    };
    let request = exchange::run(
        &mut slot,
        &target,
        wire,
        Exchange::default(),
        patient(),
        &cancel,
    );
    let (outcome, ()) = tokio::join!(request, interrupt);
    assert_eq!(reason(&common::record(outcome)), "interrupted");
    assert!(slot.is_none());
    ended.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(gone.load(Ordering::SeqCst), "the server sees it go");
}
