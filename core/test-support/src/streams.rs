//! Reads the corpus of troublesome streams: each sidecar gives the reads in
//! which the stream came, how it ended and what a correct reader finds in it.

use std::path::Path;

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord, Status};
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::{Decoded, decoded};
use inferbench_plugin_api::{Decoder, Events};
use inferbench_testkit::sse::{Event, Splitter};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Case {
    pub name: String,
    pub endpoint: String,
    stream_file: String,
    pub http: Http,
    chunks: Vec<Read>,
    end: End,
    expected: Expected,
}

#[derive(Debug, Deserialize)]
pub struct Http {
    status: u16,
    pub headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub transfer_framing_in_file: bool,
}

#[derive(Debug, Deserialize)]
struct Read {
    offset: usize,
    length: usize,
    at_ms: f64,
}

#[derive(Debug, Deserialize)]
struct End {
    how: String,
    at_ms: f64,
}

#[derive(Debug, Deserialize)]
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
    time_to_first_content_ms: Option<f64>,
    decode_ms_per_token_after_first_chunk: Option<f64>,
}

/// The cases in `folder` that `wanted` takes.
pub fn cases(folder: &Path, wanted: impl Fn(&Case) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_case = path.extension().is_some_and(|e| e == "json")
            && path.file_stem().is_some_and(|stem| stem != "index");
        if is_case {
            let text = std::fs::read_to_string(&path).unwrap();
            let case: Case = serde_json::from_str(&text).unwrap();
            if wanted(&case) {
                cases.push(case);
            }
        }
    }
    cases
}

/// Reads the case with `decoder` and compares with its sidecar.
pub fn check(folder: &Path, case: &Case, decoder: &mut dyn Decoder) {
    let body = std::fs::read(folder.join(&case.stream_file)).unwrap();
    let record = read(case, &body, decoder);
    compare(case, &record);
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

fn read(case: &Case, body: &[u8], decoder: &mut dyn Decoder) -> RequestRecord {
    let mut exchange = Exchange::default();
    exchange.sent_ns = Some(0);
    exchange.http_status = Some(case.http.status);
    let mut splitter = Splitter::default();
    let mut end_ns = ns(case.end.at_ms);
    for read in &case.chunks {
        let events = splitter.push(&body[read.offset..read.offset + read.length]);
        feed(&events, ns(read.at_ms), decoder, &mut exchange);
        if exchange.has_ended() {
            end_ns = ns(read.at_ms);
            break;
        }
    }
    let broken = |reason| StreamEnd::Broken {
        reason,
        message: String::new(),
    };
    let end = match case.end.how.as_str() {
        _ if exchange.has_ended() => StreamEnd::Clean,
        "clean_eof" => {
            feed(&splitter.finish(), end_ns, decoder, &mut exchange);
            let mut buffer = EventBuf::default();
            decoder.finish(&mut Events::new(&mut buffer)).unwrap();
            record_events(&buffer, end_ns, &mut exchange);
            StreamEnd::Clean
        }
        "reset" => broken(FailureReason::ConnectionReset),
        "stall" => broken(FailureReason::ReadTimeout),
        other => panic!("{}: end {other} is not known", case.name),
    };
    exchange.finish_record(key(), &end, end_ns, true)
}

fn feed(events: &[Event], t_ns: u64, decoder: &mut dyn Decoder, exchange: &mut Exchange) {
    let mut buffer = EventBuf::default();
    for event in events {
        buffer.clear();
        let mut out = Events::new(&mut buffer);
        decoder.feed(event.message(), &mut out).unwrap();
        record_events(&buffer, t_ns, exchange);
    }
}

fn record_events(buffer: &EventBuf, t_ns: u64, exchange: &mut Exchange) {
    for event in decoded(buffer) {
        match event {
            Decoded::Output(kind, text, tokens) => exchange.output(t_ns, kind, text, tokens),
            Decoded::Usage(usage) => exchange.usage(usage),
            Decoded::Finish(reason) => exchange.finish(reason),
            Decoded::Error(message) => exchange.error(message),
            Decoded::End => exchange.end_marker(),
            Decoded::Unread(field, messages) => exchange.unread(field, messages),
            Decoded::Mended => exchange.mended(b""),
            Decoded::Malformed => exchange.malformed(b""),
        }
    }
}

fn key() -> RequestKey {
    RequestKey {
        backend: "corpus".into(),
        block: 0,
        level: inferbench_model::config::Level::Concurrency(1),
        phase: Phase::Measured,
        index: 0,
    }
}

fn compare(case: &Case, record: &RequestRecord) {
    let (name, expected) = (&case.name, &case.expected);
    let status = match record.status {
        Status::Ok => "ok",
        _ => "failed",
    };
    let allowed =
        |one: &str, others: &[String], is: &str| is == one || others.iter().any(|o| o == is);
    assert!(
        allowed(&expected.status, &expected.accept_status, status),
        "{name}: status {status}"
    );
    let reason = record.reason.as_deref().unwrap_or_default();
    let wanted = expected.reason.as_deref().unwrap_or_default();
    assert!(
        allowed(wanted, &expected.accept_reason, reason),
        "{name}: reason {reason}"
    );
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
    near(name, record.ttft_ms, expected.ttft_ms);
    near(name, record.e2e_latency_ms, expected.e2e_ms);
    near(name, record.tpot_ms, expected.tpot_ms);
    assert_eq!(record.itl_ms.len(), expected.itl_ms.len(), "{name}");
    for (gap, wanted) in record.itl_ms.iter().zip(&expected.itl_ms) {
        near(name, Some(*gap), Some(*wanted));
    }
    if let Some(first) = expected.time_to_first_content_ms {
        assert_eq!(record.first_content_ns, Some(ns(first)), "{name}");
    }
    if let Some(decode) = expected.decode_ms_per_token_after_first_chunk {
        near(name, record.decode_ms_per_token, Some(decode));
    }
}

/// Equal to the sidecars' six decimals.
fn near(name: &str, found: Option<f64>, wanted: Option<f64>) {
    let same = match (found, wanted) {
        (None, None) => true,
        (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-6,
        _ => false,
    };
    assert!(same, "{name}: found {found:?}, wanted {wanted:?}");
}
