//! What real engines wrote, replayed read by read at its recorded times over a
//! real socket. What must come out was counted in the captures by hand.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::server::{TestServer, wait_until};
use inferbench_engine::os::clock;
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::RequestSpec;
use inferbench_plugin_api::client::BackendClient;
use serde_json::json;

/// How much earlier or later than the server's write an arrival may be, ms.
const EARLIEST_MS: f64 = -1.0;
const LATEST_MS: f64 = 25.0;

/// What a capture holds.
struct Truth {
    file: &'static str,
    /// The read, from 0, with the first and with the last output event.
    first_read: usize,
    last_read: usize,
    /// Events with text.
    events: usize,
    input_tokens: u32,
    tokens_per_event: Option<Vec<u32>>,
    text: &'static str,
}

/// Each answers with 16 tokens and ends by length.
fn truths() -> Vec<Truth> {
    let truth = |file, reads: (usize, usize), events, input_tokens, text| Truth {
        file,
        first_read: reads.0,
        last_read: reads.1,
        events,
        input_tokens,
        tokens_per_event: None,
        text,
    };
    // The first event with text carries two tokens: the text of the token
    // before it was not yet a whole character.
    let two_then_one = || Some([vec![2], vec![1; 14]].concat());
    vec![
        truth(
            "vllm-chat.txt",
            (3, 17),
            15,
            16,
            "\u{fffd}lingCREisoblankshutdownortedproperty()[bu'sbu AP havegit would",
        ),
        Truth {
            tokens_per_event: Some(vec![1; 16]),
            ..truth(
                "vllm-completions.txt",
                (1, 16),
                16,
                8,
                " opcodeCRElibauthISO bitsCalargumentscordingObjectstderrSSkenvariatelogicalName",
            )
        },
        Truth {
            tokens_per_event: two_then_one(),
            ..truth(
                "sglang-generate.txt",
                (1, 13),
                15,
                7,
                "\u{fffd} senNEtarformat=[reader needcont':ameteriter positional max Error ==",
            )
        },
        Truth {
            tokens_per_event: two_then_one(),
            ..truth(
                "sglang-completions.txt",
                (1, 14),
                15,
                7,
                "\u{fffd} senNEtarformat=[reader needcont':ameteriter positional max Error ==",
            )
        },
        truth(
            "llama-chat.txt",
            (1, 16),
            16,
            17,
            " {}\n.fromviousgn_headers contextche builtins.popbyM tag_bits >= exponent insert",
        ),
        truth(
            "llama-completions.txt",
            (1, 14),
            16,
            7,
            "ualithode ca have loadsum.find-byteum body s removesum OSError have",
        ),
        truth(
            "transformers-chat.txt",
            (2, 16),
            15,
            16,
            "\u{fffd}lingCREisoblankshutdownortedproperty()[bu'sbu AP havegit would",
        ),
    ]
}

/// The reads of a capture: when each came, ms after the request, and its bytes.
fn reads(file: &str) -> Vec<(f64, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let lines = text.lines().filter_map(|line| {
        let (time, rest) = line.strip_prefix('+')?.split_once("ms  b")?;
        let quote = rest.chars().next().unwrap();
        let inner = rest.strip_prefix(quote)?.strip_suffix(quote)?;
        Some((time.parse().unwrap(), unescaped(inner)))
    });
    lines.collect()
}

/// The bytes that a bytes literal of Python stands for.
fn unescaped(literal: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = literal.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                u8::from_str_radix(digits, 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

fn client_for(file: &str) -> (BackendClient, RequestSpec) {
    if file == "sglang-generate.txt" {
        let client = common::open("sglang", json!({"api": "native"}));
        return (client, common::id_request());
    }
    let plugin = if file.starts_with("sglang") {
        "sglang"
    } else {
        "openai"
    };
    if file.ends_with("chat.txt") {
        let client = common::open(plugin, json!({"endpoint": "chat"}));
        (client, common::chat_request())
    } else {
        let client = common::open(plugin, json!({"endpoint": "completions"}));
        (client, common::text_request())
    }
}

/// The record, and when each read's bytes were written.
async fn replay(file: &'static str) -> (RequestRecord, Vec<u64>) {
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&written);
    let server = TestServer::start(move |peer| {
        let Some(request) = peer.request() else {
            return;
        };
        for (at_ms, bytes) in reads(file) {
            wait_until(request.read_ns + (at_ms * 1e6) as u64);
            log.lock().unwrap().push(clock::now_ns());
            peer.write(bytes);
        }
        peer.close();
        peer.until_closed();
    });
    let (client, mut spec) = client_for(file);
    spec.output_tokens = 16;
    let outcome = common::exchange_over(
        &mut None,
        &server.target(),
        &client,
        &spec,
        common::patient(),
    )
    .await;
    let written = written.lock().unwrap().clone();
    (common::record(outcome), written)
}

fn check(truth: &Truth, record: &RequestRecord, written: &[u64]) {
    let file = truth.file;
    assert!(
        record.is_ok(),
        "{file}: {:?} {:?}",
        record.reason,
        record.message
    );
    assert_eq!(record.text.as_deref(), Some(truth.text), "{file}");
    assert_eq!(record.itl_ms.len() + 1, truth.events, "{file}");
    assert_eq!(record.input_tokens, Some(truth.input_tokens), "{file}");
    assert_eq!(record.output_tokens, Some(16), "{file}");
    assert_eq!(record.finish_reason.as_deref(), Some("length"), "{file}");
    assert_eq!(record.tokens_per_event, truth.tokens_per_event, "{file}");
    for (what, at, read) in [
        ("first", record.first_output_ns, truth.first_read),
        ("last", record.last_output_ns, truth.last_read),
    ] {
        let off_ms = (at.unwrap() as f64 - written[read] as f64) / 1e6;
        assert!(
            (EARLIEST_MS..LATEST_MS).contains(&off_ms),
            "{file}: the {what} event is {off_ms} ms from its write"
        );
    }
}

#[test]
fn answers_of_real_engines_read_as_they_were_counted_by_hand() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for truth in truths() {
        let (record, written) = runtime.block_on(replay(truth.file));
        check(&truth, &record, &written);
    }
}
