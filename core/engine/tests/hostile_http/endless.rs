//! Answers that do not end, or not in time.

use super::*;

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
