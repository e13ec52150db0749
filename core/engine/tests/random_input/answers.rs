//! Whatever bytes come, in whatever pieces: reading them never panics, never
//! hangs and keeps no more than came.

use inferbench_engine::http::{Framer, ResponseReader};
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::{Framing, RequestSpec};
use proptest::prelude::*;
use serde_json::json;

/// Every way in which a built plugin reads an answer.
fn readers() -> Vec<(BackendClient, RequestSpec)> {
    vec![
        (crate::common::completions(), crate::common::text_request()),
        (
            crate::common::open("openai", json!({"endpoint": "chat"})),
            crate::common::chat_request(),
        ),
        (
            crate::common::open("openai", json!({"endpoint": "responses"})),
            crate::common::chat_request(),
        ),
        (
            crate::common::open("sglang", json!({"api": "native"})),
            crate::common::id_request(),
        ),
        (
            crate::common::open("sglang", json!({"endpoint": "chat"})),
            crate::common::chat_request(),
        ),
        (
            crate::common::open("sim", json!({})),
            crate::common::id_request(),
        ),
        (
            crate::common::open("vllm", json!({})),
            crate::common::id_request(),
        ),
        (
            crate::common::open("vllm", json!({"endpoint": "chat"})),
            crate::common::chat_request(),
        ),
        (
            crate::common::open("hf", json!({})),
            crate::common::id_request(),
        ),
        (
            crate::common::open("hf", json!({"endpoint": "chat"})),
            crate::common::chat_request(),
        ),
    ]
}

/// What one reader makes of an answer that comes in these pieces: its events,
/// and whether its HTTP could be read to the end. Fails if it gives more than
/// came.
fn read(
    client: &BackendClient,
    spec: &RequestSpec,
    framing: Framing,
    pieces: &[&[u8]],
) -> (Vec<String>, bool) {
    let mut decoder = client.decoder(spec).unwrap();
    let mut reader = ResponseReader::default();
    let mut framer = Framer::new(framing);
    let mut buffer = EventBuf::default();
    let mut readable = true;
    let (mut came, mut body, mut messages) = (0, 0, 0);
    let mut events = Vec::new();
    for piece in pieces {
        came += piece.len();
        let pushed = reader.push(piece, &mut |data| {
            body += data.len();
            let framed = framer.push(data, &mut |message| {
                messages += 1;
                buffer.clear();
                // A message that a decoder refuses ends the request; here the
                // next one is given to it too.
                let fed = decoder.feed(message, &mut buffer);
                assert!(!fed.is_err_and(|error| error.panicked));
                events.extend(decoded(&buffer).map(|event| format!("{event:?}")));
            });
            assert!(framed.is_ok(), "nothing here is too long");
        });
        if pushed.is_err() {
            readable = false;
            break;
        }
    }
    if readable && reader.close() {
        framer.finish(&mut |message| {
            buffer.clear();
            let fed = decoder.feed(message, &mut buffer);
            assert!(!fed.is_err_and(|error| error.panicked));
            events.extend(decoded(&buffer).map(|event| format!("{event:?}")));
        });
        buffer.clear();
        let finished = decoder.finish(&mut buffer);
        assert!(!finished.is_err_and(|error| error.panicked));
        events.extend(decoded(&buffer).map(|event| format!("{event:?}")));
    }
    assert!(body <= came, "{body} bytes of body in {came} bytes");
    assert!(messages <= came, "{messages} messages in {came} bytes");
    (events, readable)
}

fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut start = 0;
    let pieces = places.into_iter().map(|place| {
        let piece = &bytes[start..place];
        start = place;
        piece
    });
    pieces.collect()
}

/// Lines that servers write, whole and damaged.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        r#"data: {"choices":[{"index":0,"text":"a","finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"é"}}],"usage":{"completion_tokens":3}}"#,
        r#"data: {"text":"ab","output_ids":[1,2],"meta_info":{"completion_tokens":2,"finish_reason":null}}"#,
        r#"data: {"choices":[{"index":0,"text":"é","logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":[7]}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
        r#"data: {"id": "cmpl-7f", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "b"}, "token_ids": [9], "logprobs": null, "finish_reason": null}]}"#,
        r#"data: {"error":{"message":"no","code":500}}"#,
        "data: [DONE]",
        "event: error",
        ": ping",
        "data:",
        "id: 7",
        "\u{feff}data: {",
        "",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (prop::sample::select(known.to_vec()), any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(line, at, byte)| {
                let mut line = line.as_bytes().to_vec();
                if !line.is_empty() {
                    let at = at.index(line.len());
                    line[at] = byte;
                }
                line
            }),
    ]
}

/// An answer of such lines, chunked or not.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"]);
    let lines = prop::collection::vec((line(), end), 0..24);
    (lines, any::<bool>()).prop_map(|(lines, chunked)| {
        let mut head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n".to_owned();
        if chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        for (line, end) in lines {
            let piece = [&line, end.as_bytes()].concat();
            bytes.extend(if chunked {
                crate::common::server::chunk(&piece)
            } else {
                piece
            });
        }
        if chunked {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes
    })
}

const FRAMINGS: [Framing; 4] = [
    Framing::Sse,
    Framing::NamedSse,
    Framing::Ndjson,
    Framing::Body,
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_anywhere_change_no_event(
        bytes in answer(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for (client, spec) in readers() {
            for framing in FRAMINGS {
                let whole = read(&client, &spec, framing, &[&bytes]);
                let cut = read(&client, &spec, framing, &split(&bytes, &cuts));
                prop_assert_eq!(&whole, &cut);
            }
        }
    }

    #[test]
    fn bytes_one_by_one_change_no_event(bytes in answer()) {
        let (client, spec) = (crate::common::completions(), crate::common::text_request());
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        let whole = read(&client, &spec, Framing::Sse, &[&bytes]);
        prop_assert_eq!(whole, read(&client, &spec, Framing::Sse, &pieces));
    }

    #[test]
    fn random_bytes_end_in_an_error_or_in_events(
        head in prop::sample::select(vec![
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..512),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let coded = head.contains("Content-Encoding");
        let bytes = [head.as_bytes(), &noise].concat();
        for (client, spec) in readers() {
            for framing in FRAMINGS {
                if !coded {
                    read(&client, &spec, framing, &split(&bytes, &cuts));
                }
            }
        }
        // What a coding unpacks may be longer than what came.
        let mut reader = ResponseReader::default();
        drop(reader.push(&bytes, &mut |_| ()));
    }
}

/// A head that never ends, and a chunk size that never ends, are errors before
/// much of them is kept.
#[test]
fn what_never_ends_is_given_up() {
    let mut reader = ResponseReader::default();
    let piece = [b'a'; 4096];
    reader.push(b"HTTP/1.1 200 OK\r\nX: ", &mut |_| ()).unwrap();
    let pushes = (0..1000).take_while(|_| reader.push(&piece, &mut |_| ()).is_ok());
    assert!(pushes.count() <= 64, "a head of more than 256 KiB is kept");
    let mut reader = ResponseReader::default();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    reader.push(head, &mut |_| ()).unwrap();
    assert!(reader.push(&[b'0'; 64], &mut |_| ()).is_err());
}
