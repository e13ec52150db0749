//! TLS: the same stamps as without it, trust as the config says, and errors
//! that name their cause at once.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::secure::{Authority, SecureStream, pinned, request, self_signed_issuer, serve};
use common::server::{SSE_HEAD, TestServer, answer, chunk, ending, event, good_answer, wait_until};
use common::{ask, ask_over, patient};
use inferbench_engine::http::control::{ControlError, ControlPlane};
use inferbench_engine::http::{Connection, OpenError, Target};
use inferbench_engine::os::clock;
use inferbench_engine::prepare::prepare;
use inferbench_engine::run::{self, Stops};
use inferbench_model::config::{BackendConfig, load};
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::warning::WarningCode;
use inferbench_plugin_api::ControlRequest;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// The target of a backend with these keys.
fn attached(keys: Value) -> Target {
    let mut keys = keys;
    keys["plugin"] = json!("openai");
    let backend: BackendConfig = serde_json::from_value(keys).unwrap();
    Target::attached(&backend).unwrap().remove(0)
}

fn trusting(authority: &Authority, host: &str, port: u16) -> Target {
    let url = format!("https://{host}:{port}");
    attached(json!({"attach": url, "tls": {"ca_file": authority.path()}}))
}

async fn refused(target: &Target) -> String {
    let began = Instant::now();
    let error = Connection::open(target, Duration::from_secs(30)).await;
    let error = error.unwrap_err();
    assert!(error.is_final(), "{error:?}");
    assert!(matches!(error, OpenError::Tls(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    error.to_string()
}

fn answer_all(stream: &mut SecureStream) {
    while request(stream).is_some() {
        stream.write_all(good_answer().as_bytes()).unwrap();
        stream.flush().unwrap();
    }
}

#[tokio::test]
async fn a_paced_stream_over_tls_keeps_the_kernels_stamps_and_the_servers_pace() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2020..2090), |stream| {
        while request(stream).is_some() {
            let read_ns = clock::now_ns();
            stream.write_all(SSE_HEAD.as_bytes()).unwrap();
            for n in 0..8 {
                wait_until(read_ns + 30_000_000 + n * 10_000_000);
                stream.write_all(&chunk(event("t"))).unwrap();
            }
            stream.write_all(&chunk(ending(3, 8))).unwrap();
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
    });
    let target = trusting(&authority, "localhost", port);
    let mut slot = None;
    let client = common::completions();
    let spec = common::text_request();
    for turn in 0..2 {
        let outcome = common::exchange_over(&mut slot, &target, &client, &spec, patient()).await;
        let reads = outcome.reads;
        // As many as there were writes, or fewer on a busy machine.
        assert!(reads.reads > 0, "{reads:?}");
        assert_eq!(reads.kernel_reads, reads.reads);
        let record = common::record(outcome);
        assert!(record.is_ok(), "{record:?}");
        let ttft_ms = record.ttft_ms.unwrap();
        // The server counts from the last byte's arrival, which a busy machine may
        // stamp as sent a little later.
        assert!(ttft_ms >= 20.0, "{record:?}");
        assert_eq!(record.itl_ms.len(), 7);
        let gaps_ms: f64 = record.itl_ms.iter().sum();
        assert!(ttft_ms + gaps_ms >= 90.0, "{record:?}");
        assert!(ttft_ms + gaps_ms < 5_000.0, "{record:?}");
        // Tickets that came unasked have not made the connection stale.
        assert_eq!(record.connect_ms.is_some(), turn == 0);
    }
}

#[tokio::test]
async fn the_handshake_is_part_of_connecting_and_of_no_latency() {
    const HANDSHAKE: Duration = Duration::from_secs(1);
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2020..2090), |stream| {
        std::thread::sleep(HANDSHAKE);
        answer_all(stream);
    });
    let record = ask(&trusting(&authority, "localhost", port), patient()).await;
    assert!(record.is_ok(), "{record:?}");
    assert!(record.connect_ms.unwrap() >= 1_000.0, "{record:?}");
    assert!(record.e2e_latency_ms.unwrap() < 900.0, "{record:?}");
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2020..2090), |stream| {
        while request(stream).is_some() {
            let text = "x".repeat(1000);
            let mut body = String::new();
            (0..2000).for_each(|_| body.push_str(&event(&text)));
            body.push_str(&ending(3, 2000));
            let bytes = answer("200 OK", "text/event-stream", "", &body);
            stream.write_all(bytes.as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    let record = ask(&trusting(&authority, "localhost", port), patient()).await;
    assert!(record.is_ok(), "{:?} {:?}", record.reason, record.message);
    assert_eq!(record.text.unwrap().len(), 2_000_000);
}

#[tokio::test]
async fn an_unknown_issuer_is_named() {
    let (authority, other) = (Authority::new("an issuer"), Authority::new("another"));
    let port = serve(authority.server("localhost", 2020..2090), answer_all);
    let words = refused(&trusting(&other, "localhost", port)).await;
    assert_eq!(
        words,
        "the server's certificate has an unknown issuer: name the issuer's own in `tls.ca_file`"
    );
}

#[tokio::test]
async fn an_issuer_that_only_has_the_name_of_a_trusted_one_is_not_trusted() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2020..2090), answer_all);
    let words = refused(&trusting(&Authority::new("an issuer"), "localhost", port)).await;
    assert_eq!(
        words,
        "the server's certificate names a trusted issuer but is not signed with its key"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named_with_both() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("other.example", 2020..2090), answer_all);
    let words = refused(&trusting(&authority, "localhost", port)).await;
    assert!(
        words.starts_with("the server's certificate is for "),
        "{words}"
    );
    assert!(words.contains("other.example"), "{words}");
    assert!(words.ends_with("not for localhost"), "{words}");
}

#[tokio::test]
async fn a_certificate_outside_its_time_is_named_with_the_day() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2001..2003), answer_all);
    let words = refused(&trusting(&authority, "localhost", port)).await;
    assert_eq!(words, "the server's certificate expired on 2003-01-01");
    let port = serve(authority.server("localhost", 2090..2092), answer_all);
    let words = refused(&trusting(&authority, "localhost", port)).await;
    assert_eq!(
        words,
        "the server's certificate is not valid before 2090-01-01"
    );
}

/// The target of a server on `port` that is trusted by this file.
fn by_file(file: &NamedTempFile, port: u16) -> Target {
    let url = format!("https://localhost:{port}");
    attached(json!({"attach": url, "tls": {"ca_file": file.path()}}))
}

#[tokio::test]
async fn a_certificate_that_is_itself_named_is_trusted_whoever_issued_it() {
    for (config, file) in [
        self_signed_issuer("localhost", 2020..2090),
        pinned("localhost", 2020..2090),
    ] {
        let port = serve(config, answer_all);
        let record = ask(&by_file(&file, port), patient()).await;
        assert!(record.is_ok(), "{record:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_itself_named_must_bear_the_name_and_be_in_its_time() {
    for make in [self_signed_issuer, pinned] {
        let (config, file) = make("other.example", 2020..2090);
        let words = refused(&by_file(&file, serve(config, answer_all))).await;
        assert!(words.ends_with("not for localhost"), "{words}");
        let (config, file) = make("localhost", 2001..2003);
        let words = refused(&by_file(&file, serve(config, answer_all))).await;
        assert_eq!(words, "the server's certificate expired on 2003-01-01");
        let (config, file) = make("localhost", 2090..2092);
        let words = refused(&by_file(&file, serve(config, answer_all))).await;
        let not_yet = "the server's certificate is not valid before 2090-01-01";
        assert_eq!(words, not_yet);
    }
}

#[tokio::test]
async fn naming_one_certificate_trusts_no_other_of_the_same_name() {
    for make in [self_signed_issuer, pinned] {
        let (config, _) = make("localhost", 2020..2090);
        let (_, other) = make("localhost", 2020..2090);
        refused(&by_file(&other, serve(config, answer_all))).await;
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_not_named_says_what_to_do() {
    let (config, _) = self_signed_issuer("localhost", 2020..2090);
    let port = serve(config, answer_all);
    let words = refused(&trusting(&Authority::new("another"), "localhost", port)).await;
    assert_eq!(
        words,
        "the server's certificate is an issuer's own (CA:TRUE): name it in `tls.ca_file`"
    );
}

#[tokio::test]
async fn a_server_without_tls_has_its_own_error() {
    let server = TestServer::start(|peer| {
        peer.write(answer("400 Bad Request", "text/plain", "", "no TLS here"));
        peer.until_closed();
    });
    let target = attached(json!({
        "attach": server.url().replace("http:", "https:"),
        "tls": {"verify": false}
    }));
    let words = refused(&target).await;
    assert_eq!(words, "the server does not speak TLS on this port");
}

#[tokio::test]
async fn an_address_is_a_name_for_a_certificate_too() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("127.0.0.1", 2020..2090), answer_all);
    let record = ask(&trusting(&authority, "127.0.0.1", port), patient()).await;
    assert!(record.is_ok(), "{record:?}");
}

#[tokio::test]
async fn a_body_cut_without_the_end_of_tls_is_truncated() {
    let authority = Authority::new("an issuer");
    let cut = Arc::new(AtomicUsize::new(0));
    let turns = Arc::clone(&cut);
    let port = serve(authority.server("localhost", 2020..2090), move |stream| {
        request(stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let finished = ending(3, 1).replace("data: [DONE]\n\n", "");
        let body = format!("{}{finished}", event("a"));
        stream.write_all(body.as_bytes()).unwrap();
        stream.flush().unwrap();
        if turns.fetch_add(1, Ordering::SeqCst) == 1 {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
    });
    let target = trusting(&authority, "localhost", port);
    let without = ask(&target, patient()).await;
    assert_eq!(without.reason.as_deref(), Some("truncated"), "{without:?}");
    let with = ask(&target, patient()).await;
    assert!(with.is_ok(), "{with:?}");
}

#[tokio::test]
async fn a_connection_that_tls_has_ended_is_opened_again() {
    let authority = Authority::new("an issuer");
    let (sender, closed) = std::sync::mpsc::channel();
    let port = serve(authority.server("localhost", 2020..2090), move |stream| {
        request(stream);
        stream.write_all(good_answer().as_bytes()).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        sender.send(()).unwrap();
        request(stream);
    });
    let target = trusting(&authority, "localhost", port);
    let mut slot = None;
    assert!(ask_over(&mut slot, &target, patient()).await.is_ok());
    assert!(slot.is_some());
    closed.recv_timeout(Duration::from_secs(5)).unwrap();
    // The answer and the end may have come in two reads.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !slot.as_mut().is_some_and(Connection::is_stale) {
        assert!(Instant::now() < deadline, "the end of TLS is not seen");
        std::thread::yield_now();
    }
    let second = ask_over(&mut slot, &target, patient()).await;
    assert!(second.is_ok() && second.connect_ms.is_some(), "{second:?}");
}

#[tokio::test]
async fn the_control_plane_trusts_whom_the_run_trusts() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2020..2090), |stream| {
        while request(stream).is_some() {
            let bytes = answer("200 OK", "text/plain", "", "fine");
            stream.write_all(bytes.as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    let limit = Duration::from_secs(30);
    let health = ControlRequest::get("/health");
    let good = ControlPlane::new(trusting(&authority, "localhost", port), limit);
    assert_eq!(good.ask(&health).await.unwrap(), b"fine");
    let bad = ControlPlane::new(
        trusting(&Authority::new("an issuer"), "localhost", port),
        limit,
    );
    let error = bad.ask(&health).await.unwrap_err();
    assert!(error.is_final(), "{error}");
    assert!(matches!(error, ControlError::NotOpened { .. }), "{error}");
    let place = format!("`GET /health`: connecting to localhost:{port}: the server's certificate");
    assert!(error.to_string().starts_with(&place), "{error}");
}

/// A run of one request over TLS, with this `tls` section.
async fn run_over(port: u16, tls: Value) -> (Manifest, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\": \"tell me\"}\n").unwrap();
    let config = json!({
        "name": "t",
        "model": {"id": "m"},
        "backends": [{
            "plugin": "openai",
            "attach": format!("https://localhost:{port}"),
            "options": {"endpoint": "completions"},
            "tls": tls,
            "ready_timeout": "60s",
        }],
        "workload": {"prompts": "jsonl", "file": prompts, "output_tokens": 2},
        "load": {"concurrency": [1], "requests": 1},
        "repeats": 1,
        "gpu": {"devices": "none"}
    });
    let loaded = load("t.yaml", &config.to_string(), &|_| None).unwrap();
    let prepared = prepare(&loaded, common::host()).unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let began = Instant::now();
    let output = folder.path().join("results");
    let stops = Stops::default();
    let finished = run::run(
        &prepared,
        run::Destination::New(&output),
        "0.0.0",
        sender,
        &stops,
    );
    let finished = finished.await.unwrap();
    let manifest = std::fs::read(finished.folder.file("run.json")).unwrap();
    (serde_json::from_slice(&manifest).unwrap(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_does_not_wait_for_a_certificate_to_become_good() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("localhost", 2001..2003), answer_all);
    let (manifest, took) = run_over(port, json!({"ca_file": authority.path()})).await;
    let failure = manifest.stages[0].failure.as_deref().unwrap();
    assert!(
        failure.contains("the server's certificate expired on 2003-01-01"),
        "{failure}"
    );
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_checks_no_certificate_says_so() {
    let authority = Authority::new("an issuer");
    let port = serve(authority.server("other.example", 2001..2003), answer_all);
    let (manifest, _) = run_over(port, json!({"verify": false})).await;
    assert_eq!(manifest.stages[0].failure, None);
    let [warning] = &manifest.warnings[..] else {
        panic!("{:?}", manifest.warnings);
    };
    assert_eq!(warning.code(), WarningCode::CertificateNotChecked);
    let trusted = serve(authority.server("localhost", 2020..2090), answer_all);
    let (manifest, _) = run_over(trusted, json!({"ca_file": authority.path()})).await;
    assert_eq!(manifest.stages[0].failure, None);
    assert!(manifest.warnings.is_empty(), "{:?}", manifest.warnings);
}
