//! Conversations through the load: each turn carries what the server has answered, after
//! its pause, over one connection.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::cell::{Ran, run};
use common::server::{Peer, SSE_HEAD, TestServer, chunk};
use inferbench_engine::http::Target;
use inferbench_engine::load::conversations::Conversations;
use inferbench_engine::load::requests::CellSource;
use inferbench_engine::prompts::{PromptMaker, ScanLimit};
use inferbench_model::config::WorkloadConfig;
use inferbench_plugin_api::PromptForm;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What was asked, by connection in the order of their first request.
type Asked = Arc<Mutex<Vec<(usize, Value)>>>;

/// Answers each chat request with `answer N`, N counting all requests.
fn server(asked: &Asked, status_of_second: &'static str) -> TestServer {
    let asked = Arc::clone(asked);
    let (connections, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
    TestServer::start(move |peer: &mut Peer| {
        let connection = connections.fetch_add(1, Ordering::SeqCst);
        while let Some(request) = peer.request() {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let turns = body["messages"].as_array().unwrap().len();
            asked.lock().unwrap().push((connection, body));
            let number = requests.fetch_add(1, Ordering::SeqCst);
            if turns > 1 && status_of_second != "200 OK" {
                peer.write(format!(
                    "HTTP/1.1 {status_of_second}\r\nContent-Length: 0\r\n\r\n"
                ));
                continue;
            }
            peer.write(SSE_HEAD);
            let delta = json!({"choices": [{"index": 0, "delta": {"content": format!("answer {number}")}}]});
            let end = json!({
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10 * turns, "completion_tokens": 4},
            });
            for data in [delta.to_string(), end.to_string(), "[DONE]".to_owned()] {
                peer.write(chunk(format!("data: {data}\n\n")));
            }
            peer.write("0\r\n\r\n");
        }
    })
}

/// Conversations of three turns each.
fn file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for n in 0..40 {
        let turns: Vec<Value> = (0..3)
            .flat_map(|turn| {
                [
                    json!({"from": "human", "value": format!("question {n}.{turn}")}),
                    json!({"from": "gpt", "value": format!("recorded {n}.{turn}")}),
                ]
            })
            .collect();
        writeln!(file, "{}", json!({"conversations": turns})).unwrap();
    }
    file
}

fn source(target: &Target, file: &tempfile::NamedTempFile, more: Value) -> CellSource {
    let mut workload = json!({
        "prompts": "jsonl", "file": file.path(), "turns": 3, "output_tokens": 4,
        "force_output": false,
    });
    workload
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let workload: WorkloadConfig = serde_json::from_value(workload).unwrap();
    let limit = ScanLimit {
        rows: 40,
        time: Duration::from_secs(5),
    };
    CellSource {
        prompts: Arc::new(PromptMaker::open(&workload, None, limit).unwrap()),
        client: Arc::new(common::open("openai", json!({"endpoint": "chat"}))),
        form: PromptForm::Messages,
        target: Some(target.clone()),
        model: "m".to_owned(),
        block: 0,
        level: 0,
        conversations: Conversations::default(),
    }
}

fn run_with(more: Value, load: Value, status: &'static str) -> (Ran, Vec<(usize, Value)>) {
    let asked = Asked::default();
    let server = server(&asked, status);
    let file = file();
    let source = source(&server.target(), &file, more);
    let ran = run(&server.target(), load, source, &CancellationToken::new());
    drop(server);
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    (ran, asked)
}

fn contents(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_turn_carries_the_servers_own_answers_over_one_connection() {
    let load = json!({"concurrency": [3], "requests": 27});
    let (ran, asked) = run_with(json!({}), load, "200 OK");
    ran.outcome.unwrap();
    assert_eq!((ran.records.len(), asked.len()), (27, 27));
    let mut last: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for (number, (connection, body)) in asked.iter().enumerate() {
        let said = contents(body);
        let first = said[0].clone();
        if let Some((carried_by, before)) = last.get(&first) {
            assert_eq!(carried_by, connection, "{said:?}");
            // All that was asked before, its answer, and a new question.
            assert_eq!(said[..before.len()], before[..]);
            assert_eq!(said.len(), before.len() + 2);
            assert!(said[before.len()].starts_with("answer "), "{said:?}");
        } else {
            assert_eq!(said.len(), 1, "request {number}: {said:?}");
        }
        last.insert(first, (*connection, said));
    }
    // Nine conversations of three turns, but those that the end cut off.
    assert!((9..=11).contains(&last.len()), "{}", last.len());
    let mut indices: Vec<u64> = ran.records.iter().map(|record| record.index).collect();
    indices.sort_unstable();
    assert_eq!(indices, Vec::from_iter(0..27));
    for record in &ran.records {
        let turn = record.turn.unwrap();
        assert_eq!(record.turn_lag_ms.is_some(), turn > 0);
        // 10 tokens a message are counted, and 4 of the answer.
        let repeated = [None, Some(14), Some(34)];
        assert_eq!(record.repeated_tokens, repeated[turn as usize]);
    }
}

#[test]
fn recorded_answers_make_the_same_bytes_whatever_the_server_says() {
    let load = json!({"concurrency": [2], "requests": 6});
    let (_, asked) = run_with(json!({"answers": "recorded"}), load, "200 OK");
    let longest = asked
        .iter()
        .map(|(_, body)| contents(body))
        .filter(|said| said.len() == 5);
    for said in longest {
        let n = said[0].split(['.', ' ']).nth(1).unwrap().to_owned();
        let expected = [
            format!("question {n}.0"),
            format!("recorded {n}.0"),
            format!("question {n}.1"),
            format!("recorded {n}.1"),
            format!("question {n}.2"),
        ];
        assert_eq!(said, expected);
    }
}

#[test]
fn a_turn_comes_after_its_pause_and_a_slot_is_held_meanwhile() {
    let more = json!({"think_time": "120ms"});
    let load = json!({"concurrency": [1], "requests": 6});
    let (ran, _) = run_with(more, load, "200 OK");
    let mut ends: BTreeMap<(u64, u32), u64> = BTreeMap::new();
    for record in &ran.records {
        ends.insert(
            (record.session.unwrap(), record.turn.unwrap()),
            record.end_ns,
        );
    }
    let later = ran.records.iter().filter(|record| record.turn != Some(0));
    let mut paused = 0;
    for record in later {
        let before = ends[&(record.session.unwrap(), record.turn.unwrap() - 1)];
        let pause_ms = (record.sent_ns.unwrap() - before) as f64 / 1e6;
        assert!((120.0..400.0).contains(&pause_ms), "{pause_ms} ms");
        let lag_ms = record.turn_lag_ms.unwrap();
        assert!(
            (pause_ms - 120.0 - lag_ms).abs() < 1e-3,
            "{pause_ms}, {lag_ms}"
        );
        paused += 1;
    }
    assert_eq!(paused, 4);
    // One conversation after the other.
    let sessions: Vec<u64> = ends.keys().map(|(session, _)| *session).collect();
    assert_eq!(sessions, [0, 0, 0, 1, 1, 1]);
}

#[test]
fn a_conversation_whose_turn_fails_is_over_and_its_slot_goes_on() {
    let load = json!({"concurrency": [1], "requests": 6});
    let (ran, asked) = run_with(json!({}), load, "500 Internal Server Error");
    ran.outcome.unwrap();
    let lengths: Vec<usize> = asked.iter().map(|(_, body)| contents(body).len()).collect();
    assert_eq!(lengths, [1, 3, 1, 3, 1, 3]);
    let failed = ran.records.iter().filter(|record| !record.is_ok());
    assert!(failed.clone().all(|record| record.turn == Some(1)));
    assert_eq!(failed.count(), 3);
}
