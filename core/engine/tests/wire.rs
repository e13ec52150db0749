//! Runs whose requests carry images, and runs against `/v1/responses`: what a server
//! gets, and what the records say of it.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::server::{Request, SSE_HEAD, TestServer, answer, chunk};
use image::ImageFormat;
use inferbench_engine::prepare::prepare;
use inferbench_engine::run::{self, Stops};
use inferbench_engine::store::read_lines;
use inferbench_model::config::load;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::record::RequestRecord;
use serde_json::{Value, json};

/// Bodies that a server got, and the bytes of each request.
type Got = Arc<Mutex<Vec<(Value, usize)>>>;

/// A server that keeps every request and answers with what `answer_to` says of it.
fn keeping(answer_to: impl Fn(&Value) -> String + Send + Sync + 'static) -> (TestServer, Got) {
    let got = Got::default();
    let kept = Arc::clone(&got);
    let server = TestServer::start(move |peer| {
        while let Some(request) = peer.request() {
            let Request { head, body, .. } = &request;
            if request.line().starts_with("GET") {
                peer.write(answer("404 Not Found", "text/plain", "", ""));
                continue;
            }
            let asked: Value = serde_json::from_slice(body).unwrap();
            peer.write(answer_to(&asked));
            kept.lock().unwrap().push((asked, head.len() + body.len()));
        }
    });
    (server, got)
}

fn streamed(events: &[String]) -> String {
    let pieces = events.iter().map(chunk);
    let body: String = pieces
        .map(|piece| String::from_utf8(piece).unwrap())
        .collect();
    format!("{SSE_HEAD}{body}0\r\n\r\n")
}

/// One token of chat, and counts as SGLang has them.
fn chat_answer() -> String {
    let data = |value: Value| format!("data: {value}\n\n");
    streamed(&[
        data(json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]})),
        data(
            json!({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 1,
            "prompt_tokens_details": {"image_tokens": 32}}}),
        ),
        "data: [DONE]\n\n".to_owned(),
    ])
}

/// One token of `/v1/responses`, the types in the events' names alone.
fn responses_answer() -> String {
    let named = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
    streamed(&[
        named(
            "response.created",
            json!({"response": {"status": "in_progress"}}),
        ),
        named("response.output_text.delta", json!({"delta": "a"})),
        named("response.output_text.done", json!({"text": "a"})),
        named(
            "response.completed",
            json!({"response": {"status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "usage": {"input_tokens": 40, "output_tokens": 1}}}),
        ),
    ])
}

fn config(folder: &Path, backend: &Value, images: &Value) -> String {
    let prompts = folder.join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\": \"what is it?\"}\n").unwrap();
    json!({
        "name": "t",
        "model": {"id": "m"},
        "backends": [backend],
        "workload": {"prompts": "jsonl", "file": prompts, "output_tokens": 1, "images": images},
        "load": {"concurrency": [1], "requests": 3},
        "repeats": 1,
        "gpu": {"devices": "none"}
    })
    .to_string()
}

struct Ran {
    manifest: Manifest,
    records: Vec<RequestRecord>,
}

async fn run_config(folder: &Path, text: &str) -> Ran {
    let loaded = load("t.yaml", text, &|_| None).unwrap();
    let prepared = prepare(&loaded, common::host()).unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let output = folder.join("results");
    let to = run::Destination::New(&output);
    let stops = Stops::default();
    let finished = run::run(&prepared, to, "0.0.0", sender, &stops)
        .await
        .unwrap();
    let manifest = std::fs::read(finished.folder.file("run.json")).unwrap();
    Ran {
        manifest: serde_json::from_slice(&manifest).unwrap(),
        records: read_lines(&finished.folder.file("requests.jsonl")).unwrap(),
    }
}

fn attached(server: &TestServer, endpoint: &str) -> Value {
    json!({"plugin": "openai", "attach": server.url(), "ready_timeout": "20s",
        "options": {"endpoint": endpoint}})
}

/// The file behind a data URL, and its format.
fn decoded(url: &Value) -> (ImageFormat, Vec<u8>) {
    let url = url.as_str().unwrap();
    let (kind, base64) = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
        .unwrap();
    let file = STANDARD.decode(base64).unwrap();
    let format = image::guess_format(&file).unwrap();
    assert_eq!(kind, format.to_mime_type());
    (format, file)
}

#[tokio::test]
async fn a_chat_server_gets_images_of_the_asked_kind_and_never_one_twice() {
    let (server, got) = keeping(|_| chat_answer());
    let folder = tempfile::tempdir().unwrap();
    let images = json!({"count": 2, "width": 40, "height": 24, "format": "png"});
    let text = config(folder.path(), &attached(&server, "chat"), &images);
    let ran = run_config(folder.path(), &text).await;
    assert_eq!(ran.records.len(), 3, "{:?}", ran.manifest.stages);
    let got = got.lock().unwrap();
    let mut seen = std::collections::HashSet::new();
    for (asked, _) in got.iter() {
        let content = asked["messages"][0]["content"].as_array().unwrap();
        assert_eq!(content.len(), 3);
        assert_eq!(content[2], json!({"type": "text", "text": "what is it?"}));
        for part in &content[..2] {
            assert_eq!(part["type"], "image_url");
            let (format, file) = decoded(&part["image_url"]["url"]);
            assert_eq!(format, ImageFormat::Png);
            let image = image::load_from_memory(&file).unwrap();
            assert_eq!((image.width(), image.height()), (40, 24));
            assert!(seen.insert(file), "an image came twice");
        }
    }
    for record in &ran.records {
        assert!(record.is_ok(), "{record:?}");
        assert_eq!(record.asked_input_tokens, None);
        assert_eq!(record.input_tokens, Some(40));
        assert_eq!(record.image_tokens, Some(32));
        let bytes = record.request_bytes.unwrap();
        let sent = got.iter().any(|(_, len)| *len as u64 == bytes);
        assert!(sent, "no request had {bytes} bytes");
    }
}

#[tokio::test]
async fn a_responses_server_gets_images_of_files_in_their_order() {
    let (server, got) = keeping(|_| responses_answer());
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    for side in [1_u32, 2] {
        let image = image::RgbImage::new(side, side);
        image.save(photos.join(format!("{side}.jpeg"))).unwrap();
    }
    let images = json!({"files": photos.join("*.jpeg")});
    let text = config(folder.path(), &attached(&server, "responses"), &images);
    let ran = run_config(folder.path(), &text).await;
    assert_eq!(ran.records.len(), 3, "{:?}", ran.manifest.stages);
    for record in &ran.records {
        assert!(record.is_ok(), "{record:?}");
        assert_eq!(record.finish_reason.as_deref(), Some("length"));
        assert_eq!(record.output_events(), 1);
        assert_eq!(record.output_tokens, Some(1));
    }
    let got = got.lock().unwrap();
    let widths: Vec<u32> = got[got.len() - 3..]
        .iter()
        .map(|(asked, _)| {
            let part = &asked["input"][0]["content"][0];
            assert_eq!(part["type"], "input_image");
            let (_, file) = decoded(&part["image_url"]);
            image::load_from_memory(&file).unwrap().width()
        })
        .collect();
    assert_eq!(widths, [1, 2, 1]);
}

#[tokio::test]
async fn a_server_that_takes_no_images_is_quoted() {
    let refusal = "m is not a multimodal model";
    let (server, _) = keeping(move |_| {
        let body = json!({"error": {"message": refusal}}).to_string();
        answer("400 Bad Request", "application/json", "", &body)
    });
    let folder = tempfile::tempdir().unwrap();
    let text = config(
        folder.path(),
        &attached(&server, "chat"),
        &json!({"width": 8}),
    );
    let ran = run_config(folder.path(), &text).await;
    let failure = ran.manifest.stages[0].failure.clone().unwrap();
    assert!(failure.contains(refusal), "{failure}");
}

#[test]
fn prompts_without_a_place_for_images_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let backend = json!({"plugin": "openai", "attach": "http://127.0.0.1:1"});
    let text = config(folder.path(), &backend, &json!({}));
    let loaded = load("t.yaml", &text, &|_| None).unwrap();
    let errors = prepare(&loaded, common::host()).err().unwrap();
    let words = errors[0].to_string();
    assert!(
        words.contains("takes prompts as text, but workload.images needs messages"),
        "{words}"
    );
}

#[tokio::test]
async fn the_simulator_streams_responses_that_count_like_any_other() {
    let program = common::find_program("inferbench-sim");
    let program = program.expect("no inferbench-sim: run `cargo build --workspace` first");
    let folder = tempfile::tempdir().unwrap();
    let backend = json!({"plugin": "sim", "options": {"endpoint": "responses",
        "command": [program], "fixed_ttft_ms": 10, "fixed_itl_ms": 2}});
    let mut text: Value =
        serde_json::from_str(&config(folder.path(), &backend, &Value::Null)).unwrap();
    text["workload"]["output_tokens"] = json!(6);
    let ran = run_config(folder.path(), &text.to_string()).await;
    assert_eq!(ran.records.len(), 3, "{:?}", ran.manifest.stages);
    for record in &ran.records {
        assert!(record.is_ok(), "{record:?}");
        assert_eq!(record.finish_reason.as_deref(), Some("length"));
        assert_eq!(record.output_events(), 6);
        assert_eq!(record.output_tokens, Some(6));
        // Three words and four tokens for the message.
        assert_eq!(record.input_tokens, Some(7));
        assert_eq!(record.image_tokens, None);
        let tpot_ms = record.tpot_ms.unwrap();
        assert!((1.0..8.0).contains(&tpot_ms), "{tpot_ms}");
    }
}
