//! The corpus of troublesome streams over real HTTP: each is served exactly as
//! its sidecar says, and the record must say what a correct reader finds.
//!
//! All streams run at once and at their true pace. Times are
//! compared with when the server wrote the bytes, by the same clock.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::server::{Peer, TestServer, chunk, wait_until};
use inferbench_engine::http::{Framer, ResponseReader};
use inferbench_engine::load::requests;
use inferbench_engine::os::clock;
use inferbench_model::facts::record::{RequestRecord, Status};
use inferbench_plugin_api::Framing;
use inferbench_plugin_api::RequestSpec;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::events::decoded;
use serde::Deserialize;
use serde_json::json;

/// How much earlier or later than the server's write an arrival may be, ms.
const EARLIEST_MS: f64 = -1.0;
const LATEST_MS: f64 = 25.0;

#[derive(Debug, Clone, Deserialize)]
struct Case {
    name: String,
    endpoint: String,
    stream_file: String,
    http: Http,
    chunks: Vec<Read>,
    end: End,
    expected: Expected,
    #[serde(default)]
    client: Limits,
    #[serde(skip)]
    body: Vec<u8>,
}

#[derive(Debug, Clone, Deserialize)]
struct Http {
    status: u16,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    transfer_framing_in_file: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Read {
    offset: usize,
    length: usize,
    at_ms: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct End {
    how: String,
    at_ms: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Limits {
    read_idle_timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    status: String,
    reason: Option<String>,
    #[serde(default)]
    accept_status: Vec<String>,
    #[serde(default)]
    accept_reason: Vec<String>,
    output_tokens: Option<u32>,
    prompt_tokens: Option<u32>,
    ttft_ms: Option<f64>,
    itl_ms: Vec<f64>,
    e2e_ms: Option<f64>,
    tpot_ms: Option<f64>,
    tokens_per_output_chunk: Option<Vec<u32>>,
    finish_reason: Option<String>,
    text: String,
    reasoning_text: String,
    malformed_events: u32,
}

fn cases() -> Vec<Case> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "../plugin-api/tests/cases/streams",
        "../../plugins/sglang/tests/cases/streams",
    ];
    let files = folders.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(crate_folder.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let mut sidecars: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .filter(|file| file.file_stem().is_some_and(|stem| stem != "index"))
        .collect();
    sidecars.sort();
    let read = |sidecar: &PathBuf| {
        let text = std::fs::read_to_string(sidecar).unwrap();
        let mut case: Case = serde_json::from_str(&text).unwrap();
        case.body = std::fs::read(sidecar.with_file_name(&case.stream_file)).unwrap();
        case
    };
    let mut cases: Vec<Case> = sidecars.iter().map(read).collect();
    cases.dedup_by(|a, b| a.name == b.name);
    cases
}

fn client_for(case: &Case) -> (BackendClient, RequestSpec) {
    match case.endpoint.as_str() {
        "openai-chat" => (
            common::open("openai", json!({"endpoint": "chat"})),
            common::chat_request(),
        ),
        "openai-completions" => (common::completions(), common::text_request()),
        "sglang-generate" => (
            common::open("sglang", json!({"api": "native"})),
            common::id_request(),
        ),
        other => panic!("{}: endpoint {other} is not known", case.name),
    }
}

/// When the bytes that were due at a time were written: by that time in
/// microseconds, the start of the first write and the end of the last.
type Writes = Arc<Mutex<BTreeMap<u64, (u64, u64)>>>;

fn micros(ms: f64) -> u64 {
    (ms * 1e3).round() as u64
}

fn head(case: &Case) -> String {
    let mut head = format!("HTTP/1.1 {} X\r\n", case.http.status);
    for (name, value) in &case.http.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    head
}

fn serve(case: &Case, peer: &mut Peer, writes: &Writes) {
    let Some(request) = peer.request() else {
        return;
    };
    let at = |ms: f64| request.read_ns + micros(ms) * 1000;
    peer.write(head(case));
    for read in &case.chunks {
        let piece = &case.body[read.offset..read.offset + read.length];
        let bytes = if case.http.transfer_framing_in_file {
            piece.to_vec()
        } else {
            chunk(piece)
        };
        wait_until(at(read.at_ms));
        let began_ns = clock::now_ns();
        // Noted before the client can have read it, and again once it is written.
        let note = |ended_ns| {
            let mut writes = writes.lock().unwrap();
            let own = writes.entry(micros(read.at_ms));
            own.and_modify(|(_, last_ns)| *last_ns = ended_ns)
                .or_insert((began_ns, ended_ns));
        };
        note(began_ns);
        peer.write(&bytes);
        note(clock::now_ns());
    }
    match case.end.how.as_str() {
        "clean_eof" => {
            wait_until(at(case.end.at_ms));
            if !case.http.transfer_framing_in_file {
                peer.write("0\r\n\r\n");
            }
            peer.until_closed();
        }
        "reset" => {
            wait_until(at(case.end.at_ms));
            peer.reset_on_drop();
        }
        "stall" | "kept_open" => peer.until_closed(),
        other => panic!("{}: end {other} is not known", case.name),
    }
}

async fn replay(case: &Case) -> (RequestRecord, Writes) {
    let writes = Writes::default();
    let (served, log) = (case.clone(), Arc::clone(&writes));
    let server = TestServer::start(move |peer| serve(&served, peer, &log));
    let idle = case.client.read_idle_timeout_ms.map(Duration::from_millis);
    let timeouts = common::limits(Duration::from_secs(30), idle);
    let (client, spec) = client_for(case);
    let outcome =
        common::exchange_over(&mut None, &server.target(), &client, &spec, timeouts).await;
    (common::record(outcome), writes)
}

fn check_facts(case: &Case, record: &RequestRecord) {
    let (name, expected) = (&case.name, &case.expected);
    let status = match record.status {
        Status::Ok => "ok",
        Status::Failed => "failed",
    };
    let allowed =
        |one: &str, others: &[String], is: &str| is == one || others.iter().any(|o| o == is);
    assert!(
        allowed(&expected.status, &expected.accept_status, status),
        "{name}: status {status}, {:?}: {:?}",
        record.reason,
        record.message
    );
    let reason = record.reason.as_deref().unwrap_or_default();
    let wanted = expected.reason.as_deref().unwrap_or_default();
    assert!(
        allowed(wanted, &expected.accept_reason, reason),
        "{name}: reason {reason}"
    );
    assert_eq!(record.http_status, Some(case.http.status), "{name}");
    assert_eq!(record.output_tokens, expected.output_tokens, "{name}");
    assert_eq!(record.input_tokens, expected.prompt_tokens, "{name}");
    assert_eq!(record.malformed_events, expected.malformed_events, "{name}");
    assert_eq!(record.finish_reason, expected.finish_reason, "{name}");
    assert_eq!(
        record.tokens_per_event, expected.tokens_per_output_chunk,
        "{name}"
    );
    let text = record.text.as_deref().unwrap_or_default();
    assert_eq!(text, expected.text, "{name}");
    let reasoning = record.reasoning_text.as_deref().unwrap_or_default();
    assert_eq!(reasoning, expected.reasoning_text, "{name}");
    assert_eq!(record.itl_ms.len(), expected.itl_ms.len(), "{name}");
}

fn check_times(case: &Case, record: &RequestRecord, writes: &Writes) {
    let (name, expected) = (&case.name, &case.expected);
    let sent_ns = record.sent_ns.unwrap();
    let writes = writes.lock().unwrap();
    let ms = |t_ns: u64| (t_ns as f64 - sent_ns as f64) / 1e6;
    let written_ms = |due_ms: f64| {
        let (first_ns, last_ns) = writes[&micros(due_ms)];
        (ms(first_ns), ms(last_ns))
    };
    let near = |what: &str, found: Option<f64>, truth: Option<(f64, f64)>, earliest: f64| {
        let fits = match (found, truth) {
            (None, None) => true,
            (Some(found), Some((first, last))) => {
                (first + earliest..=last + LATEST_MS).contains(&found)
            }
            _ => false,
        };
        assert!(
            fits,
            "{name}: {what} is {found:?} ms, written at {truth:?} ms"
        );
    };
    let first = expected.ttft_ms.map(written_ms);
    let last = expected.e2e_ms.map(written_ms);
    near("ttft", record.ttft_ms, first, EARLIEST_MS);
    near("e2e", record.e2e_latency_ms, last, EARLIEST_MS);
    // The shortest and the longest time between two writes.
    let between = |from: (f64, f64), to: (f64, f64)| (to.0 - from.1, to.1 - from.0);
    let mut due_ms = expected.ttft_ms.unwrap_or_default();
    for (gap, due_gap_ms) in record.itl_ms.iter().zip(&expected.itl_ms) {
        let truth = between(written_ms(due_ms), written_ms(due_ms + due_gap_ms));
        due_ms += due_gap_ms;
        // A gap is short by as much as the event before it came late.
        near("gap", Some(*gap), Some(truth), -LATEST_MS);
    }
    let tokens = expected
        .output_tokens
        .filter(|_| expected.tpot_ms.is_some());
    let truth = tokens.map(|tokens| {
        let (shortest, longest) = between(first.unwrap(), last.unwrap());
        let gaps = f64::from(tokens - 1);
        (shortest / gaps, longest / gaps)
    });
    // Written at once, or read at once by a client that was held up.
    let truth = truth.filter(|_| !record.came_at_once());
    near("tpot", record.tpot_ms, truth, -LATEST_MS);
}

#[test]
fn troublesome_streams_over_http_read_as_their_sidecars_say() {
    let cases = cases();
    assert_eq!(cases.len(), 49);
    common::host();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let results = tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut running = tokio::task::JoinSet::new();
        for case in cases {
            running.spawn_local(async move {
                let (record, writes) = replay(&case).await;
                (case, record, writes)
            });
        }
        running.join_all().await
    });
    assert_eq!(results.len(), 49);
    for (case, record, writes) in &results {
        check_facts(case, record);
        check_times(case, record, writes);
    }
}

/// The answer of a case as it goes over the socket, with its body in one piece.
fn raw_answer(case: &Case) -> Vec<u8> {
    let mut bytes = head(case).into_bytes();
    if case.http.transfer_framing_in_file {
        bytes.extend_from_slice(&case.body);
    } else {
        bytes.extend_from_slice(&chunk(&case.body));
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    bytes
}

/// Every event that a decoder finds in the answer when it comes in two reads.
fn events_of(client: &BackendClient, spec: &RequestSpec, reads: [&[u8]; 2]) -> Vec<String> {
    let mut decoder = client.decoder(spec).unwrap();
    let mut reader = ResponseReader::default();
    let mut framer = Framer::new(Framing::Sse);
    let mut buffer = EventBuf::default();
    let mut found = Vec::new();
    for read in reads {
        let mut body = |data: &[u8]| {
            framer
                .push(data, &mut |message| {
                    decoder.feed(message, &mut buffer).unwrap();
                })
                .unwrap();
        };
        reader.push(read, &mut body).unwrap();
    }
    assert!(reader.is_complete());
    framer.finish(&mut |message| decoder.feed(message, &mut buffer).unwrap());
    decoder.finish(&mut buffer).unwrap();
    found.extend(decoded(&buffer).map(|event| format!("{event:?}")));
    found
}

/// Where to cut: everywhere; in an answer of more than 8 KiB near the ends of
/// lines, and at every 9973rd byte in between.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    if bytes.len() <= 8192 {
        return (1..bytes.len()).collect();
    }
    let near_line_end = |at: usize| {
        let around = &bytes[at.saturating_sub(2)..(at + 2).min(bytes.len())];
        around.iter().any(|b| matches!(b, b'\n' | b'\r'))
    };
    (1..bytes.len())
        .filter(|at| at % 9973 == 0 || near_line_end(*at))
        .collect()
}

#[test]
fn a_cut_anywhere_in_an_answer_changes_no_event() {
    for case in cases() {
        let (client, spec) = client_for(&case);
        let bytes = raw_answer(&case);
        let whole = events_of(&client, &spec, [&bytes, &[]]);
        assert!(!whole.is_empty(), "{}", case.name);
        for cut in cuts(&bytes) {
            let (left, right) = bytes.split_at(cut);
            let found = events_of(&client, &spec, [left, right]);
            assert_eq!(found, whole, "{} cut at {cut}", case.name);
        }
    }
}

#[test]
fn an_encoded_request_carries_its_length_and_the_plugins_path() {
    let server = TestServer::start(|peer| {
        let request = peer.request().unwrap();
        assert_eq!(request.line(), "POST /v1/completions");
        assert!(request.head.contains("Accept-Encoding: identity\r\n"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["stream"], true);
        peer.write(common::server::good_answer());
        peer.until_closed();
    });
    let target = server.target();
    let wire = requests::wire(&common::completions(), &target, &common::text_request()).unwrap();
    assert_eq!(wire.framing, Framing::NamedSse);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let record = runtime.block_on(common::ask(&target, common::patient()));
    assert!(record.is_ok(), "{:?}", record.message);
}
