//! Servers that break HTTP, end it oddly, or never end: each leaves one record
//! that says what happened, within its limits.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

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
async fn a_json_error_under_status_200_fails_with_its_words() {
    let body = r#"{"error": {"message": "model is loading", "code": 503}}"#;
    let record = answered_with(answer("200 OK", "application/json", "", body)).await;
    assert_eq!(reason(&record), "in_band_error");
    assert!(message(&record).contains("model is loading"), "{record:?}");
    assert_eq!(record.http_status, Some(200));
}

#[tokio::test]
async fn a_503_reports_when_to_retry_and_is_not_retried() {
    let bytes = answer(
        "503 Service Unavailable",
        "text/plain",
        "Retry-After: 7\r\n",
        "try later",
    );
    let server = TestServer::always(bytes);
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "http_503");
    assert_eq!(
        message(&record),
        "try later (the server asks to retry after 7 s)"
    );
    assert_eq!(server.accepted(), 1);
    assert_eq!((record.ttft_ms, record.e2e_latency_ms), (None, None));
}

#[tokio::test]
async fn a_400_as_vllm_writes_it_gives_its_message() {
    let body = r#"{"object":"error","message":"max_tokens is too large: 9","type":"BadRequestError","param":null,"code":400}"#;
    let record = answered_with(answer("400 Bad Request", "application/json", "", body)).await;
    assert_eq!(reason(&record), "http_400");
    assert_eq!(message(&record), "max_tokens is too large: 9");
    let nested = r#"{"error":{"message":"no such model","type":"NotFoundError","code":404}}"#;
    let record = answered_with(answer("404 Not Found", "application/json", "", nested)).await;
    assert_eq!(reason(&record), "http_404");
    assert_eq!(message(&record), "no such model");
}

#[tokio::test]
async fn an_error_page_is_shown_in_one_line_of_bounded_length() {
    let page = format!("<html>\n<body>\r\n{}", "x".repeat(100_000));
    let record = answered_with(answer("502 Bad Gateway", "text/html", "", &page)).await;
    assert_eq!(reason(&record), "http_502");
    assert!(message(&record).starts_with("<html> <body>"));
    assert_eq!(message(&record).chars().count(), 500);
}

#[tokio::test]
async fn a_web_page_in_place_of_an_answer_is_called_so() {
    let page = answer(
        "200 OK",
        "text/html; charset=utf-8",
        "",
        "<html>log in</html>",
    );
    let record = answered_with(page).await;
    assert_eq!(reason(&record), "truncated");
    assert_eq!(
        message(&record),
        "the server answered 200 with a web page (text/html)"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_its_target() {
    let to = "Location: http://127.0.0.1:1/elsewhere\r\n";
    let record = answered_with(answer("307 Temporary Redirect", "text/plain", to, "")).await;
    assert_eq!(reason(&record), "http_307");
    assert!(
        message(&record).contains("http://127.0.0.1:1/elsewhere"),
        "{record:?}"
    );
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_connected_to_again() {
    let body = format!("{}{}", event("a"), ending(3, 1));
    let bytes = answer(
        "200 OK",
        "text/event-stream",
        "Connection: close\r\n",
        &body,
    );
    let server = TestServer::start(move |peer| {
        if peer.request().is_some() {
            peer.write(&bytes);
            peer.close();
        }
    });
    let (target, mut slot) = (server.target(), None);
    for n in 1..=3 {
        let record = ask_over(&mut slot, &target, patient()).await;
        assert!(record.is_ok(), "{record:?}");
        assert!(record.connect_ms.is_some() && slot.is_none());
        assert_eq!(server.accepted(), n);
    }
}

#[tokio::test]
async fn a_kept_connection_carries_the_next_request_without_connecting() {
    let server = TestServer::always(good_answer());
    let (target, mut slot) = (server.target(), None);
    let first = ask_over(&mut slot, &target, patient()).await;
    let second = ask_over(&mut slot, &target, patient()).await;
    assert!(first.is_ok() && second.is_ok());
    assert!(first.connect_ms.is_some());
    assert_eq!((second.connect_ms, server.accepted()), (None, 1));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_opened_again_before_the_clock_starts() {
    let (sender, closed) = mpsc::channel();
    let server = TestServer::start(move |peer| {
        while peer.request().is_some() {
            peer.write(good_answer());
            if peer.number == 0 {
                peer.close();
                sender.send(()).unwrap();
            }
        }
    });
    let (target, mut slot) = (server.target(), None);
    let first = ask_over(&mut slot, &target, patient()).await;
    assert!(first.is_ok() && slot.is_some());
    // Blocks the runtime too, so that only the kernel can know of the close.
    closed.recv().unwrap();
    let second = ask_over(&mut slot, &target, patient()).await;
    assert!(second.is_ok(), "{second:?}");
    assert!(second.connect_ms.is_some());
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn an_answer_given_before_the_request_is_read_is_the_answer() {
    let server = TestServer::start(|peer| {
        let body = r#"{"error":{"message":"too large"}}"#;
        peer.write(answer(
            "413 Content Too Large",
            "application/json",
            "",
            body,
        ));
        peer.close();
        peer.until_closed();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "http_413");
    assert_eq!(message(&record), "too large");
}

#[tokio::test]
async fn an_interim_answer_is_no_answer() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.write("HTTP/1.1 100 Continue\r\n\r\n");
        peer.write("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
        peer.write(good_answer());
        peer.until_closed();
    });
    let mut slot = None;
    let record = ask_over(&mut slot, &server.target(), patient()).await;
    assert!(record.is_ok() && slot.is_some(), "{record:?}");
    assert_eq!(record.http_status, Some(200));
}

#[tokio::test]
async fn bytes_after_the_body_forbid_to_use_the_connection_again() {
    let server = TestServer::start(|peer| {
        while peer.request().is_some() {
            peer.write(good_answer() + "HTTP/1.1 500 not asked for");
        }
    });
    let (target, mut slot) = (server.target(), None);
    for n in 1..=2 {
        let record = ask_over(&mut slot, &target, patient()).await;
        assert!(record.is_ok(), "{record:?}");
        assert_eq!(server.accepted(), n);
    }
}

/// A server that sends `first`, then `more` as fast as the client takes it.
fn endless(first: Vec<u8>, more: Vec<u8>) -> TestServer {
    TestServer::start(move |peer| {
        peer.request();
        peer.write(&first);
        while peer.write(&more) {}
    })
}

#[tokio::test]
async fn a_body_that_goes_on_after_the_end_marker_ends_the_request_there() {
    let first = [
        SSE_HEAD.as_bytes(),
        &chunk(format!("{}{}", event("a"), ending(3, 1))),
    ]
    .concat();
    let more = chunk(event("late").repeat(1000));
    let server = endless(first, more);
    let (began, mut slot) = (Instant::now(), None);
    let record = ask_over(&mut slot, &server.target(), patient()).await;
    assert!(record.is_ok(), "{record:?}");
    assert_eq!(record.text.as_deref(), Some("a"));
    assert!(slot.is_none(), "the connection is not used again");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_that_never_pauses_ends_at_the_total_timeout() {
    let server = endless(SSE_HEAD.into(), chunk(": ping\n\n".repeat(1000)));
    let total = Duration::from_millis(300);
    let began = Instant::now();
    let record = ask(&server.target(), limits(total, None)).await;
    assert_eq!(reason(&record), "timeout");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_endless_error_page_ends_at_the_total_timeout_with_its_status() {
    let head = "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = endless(head.into(), chunk("boom ".repeat(1000)));
    let total = Duration::from_millis(300);
    let record = ask(&server.target(), limits(total, None)).await;
    assert_eq!(reason(&record), "http_500");
    assert!(message(&record).starts_with("boom boom"));
}

#[tokio::test]
async fn a_flood_on_one_connection_leaves_room_for_the_others() {
    let flood = endless(SSE_HEAD.into(), chunk(": ping\n\n".repeat(1000)));
    let calm = TestServer::always(good_answer());
    let (flood, calm) = (flood.target(), calm.target());
    let total = limits(Duration::from_secs(3), None);
    let calm_one = async {
        let record = ask(&calm, patient()).await;
        (record, clock::now_ns())
    };
    // On one thread, as in a cell.
    let (flooded, (record, ended_ns)) = tokio::join!(ask(&flood, total), calm_one);
    assert!(record.is_ok());
    assert_eq!(reason(&flooded), "timeout");
    assert!(ended_ns < flooded.end_ns, "it had to wait for the flood");
}

#[test]
fn the_request_after_a_flood_has_an_outcome_of_its_own() {
    let flood = endless(SSE_HEAD.into(), chunk(": ping\n\n".repeat(1000)));
    let load = json!({"concurrency": [1], "requests": 6, "warmup_requests": 0, "timeout": "300ms"});
    let target = flood.target();
    let source = cell::source(&target, 0);
    let ran = cell::run(&target, load, source, &CancellationToken::new());
    let reasons: Vec<&str> = ran.records.iter().map(reason).collect();
    assert_eq!(reasons, ["timeout"; 6]);
}

#[tokio::test]
async fn garbage_instead_of_http_is_called_so() {
    let record = answered_with("SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    assert_eq!(reason(&record), "bad_http");
    assert_eq!(record.http_status, None);
    let record = answered_with([0u8, 159, 146, 150, 255, 13, 10]).await;
    assert_eq!(reason(&record), "bad_http");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n";
    let record = answered_with(head).await;
    assert_eq!(reason(&record), "bad_http");
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(300 * 1024));
    let record = answered_with(long).await;
    assert_eq!(reason(&record), "bad_http");
    assert!(message(&record).contains("262144 bytes"), "{record:?}");
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_named() {
    let extra = "Content-Encoding: br\r\n";
    let record = answered_with(answer("200 OK", "text/event-stream", extra, "xxx")).await;
    assert_eq!(reason(&record), "bad_http");
    assert!(message(&record).contains("\"br\""), "{record:?}");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let record = ask(&target, patient()).await;
    assert_eq!(reason(&record), "connection_refused");
    assert_eq!((record.sent_ns, record.ttft_ms), (None, None));
    assert!(message(&record).contains(&target.host_header()));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_called_so() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.close();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "connection_closed");
    assert!(record.sent_ns.is_some() && record.http_status.is_none());
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_truncated() {
    let bytes = good_answer();
    let cut = bytes.find("data: [DONE]").unwrap();
    let server = TestServer::start(move |peer| {
        peer.request();
        peer.write(&bytes[..cut]);
        peer.close();
    });
    let record = ask(&server.target(), patient()).await;
    assert_eq!(reason(&record), "truncated");
    assert!(record.ttft_ms.is_some(), "kept for diagnosis");
}

#[tokio::test]
async fn a_silent_server_ends_at_the_idle_timeout() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.until_closed();
    });
    let idle = Some(Duration::from_millis(150));
    let began = Instant::now();
    let record = ask(&server.target(), limits(Duration::from_secs(30), idle)).await;
    assert_eq!(reason(&record), "read_timeout");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(5));
}

#[tokio::test]
async fn pings_keep_the_idle_timeout_away_but_not_the_total_one() {
    let server = TestServer::start(|peer| {
        peer.request();
        peer.write(SSE_HEAD);
        let mut due_ns = clock::now_ns();
        while peer.write(chunk(": ping\n\n")) {
            due_ns += 50_000_000;
            wait_until(due_ns);
        }
    });
    let idle = Some(Duration::from_millis(400));
    let record = ask(&server.target(), limits(Duration::from_millis(900), idle)).await;
    assert_eq!(reason(&record), "timeout");
    let took_ns = record.end_ns - record.sent_ns.unwrap();
    assert!(took_ns >= 890_000_000, "{took_ns}");
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_one_event() {
    let text = "y".repeat(10 << 20);
    let body = format!("{}{}", event(&text), ending(3, 2));
    let record = answered_with(answer("200 OK", "text/event-stream", "", &body)).await;
    assert!(record.is_ok(), "{}", reason(&record));
    assert_eq!(record.text.map(|text| text.len()), Some(10 << 20));
    assert!(record.itl_ms.is_empty());
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
