//! The fixtures themselves do what the tests of the engine rely on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use fixture_plugin::FixtureEngine;
use inferbench_plugin_api::abi::{EventBuf, this_library};
use inferbench_plugin_api::client::{
    BackendClient, EngineClient, HostSink, SharedSink, descriptions,
};
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::{
    Backend, LaunchContext, Message, ModelSpec, OpenContext, PromptContent, RequestSpec,
};
use inferbench_testkit::{Replayed, conformance};
use serde_json::{Map, Value, json};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn context(value: Value) -> OpenContext {
    OpenContext {
        options: options(value),
        attached: true,
    }
}

fn launch() -> LaunchContext {
    LaunchContext {
        model: ModelSpec::default(),
        served_name: "m".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 1,
        seed: 0,
        work_dir: "/w".into(),
        max_concurrency: None,
    }
}

struct Channel(Mutex<Sender<(u64, u64, Vec<Replayed>)>>);

impl HostSink for Channel {
    fn now_ns(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_nanos()).unwrap()
    }

    fn push(&self, id: u64, t_ns: u64, buffer: &EventBuf) -> bool {
        let events = decoded(buffer).map(Replayed::from).collect();
        self.0.lock().unwrap().send((id, t_ns, events)).is_ok()
    }
}

#[test]
fn both_backends_of_the_library_pass_the_conformance_suite() {
    assert_eq!(FixtureEngine::describe().name, "fixture-engine");
    assert_eq!(descriptions(this_library()).unwrap().len(), 2);
    for name in ["fixture-engine", "fixture-faulty"] {
        let report = conformance(this_library(), name, &Map::new());
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn the_suite_finds_a_backend_that_panics() {
    for hook in ["open", "launch", "encode", "feed", "finish"] {
        let report = conformance(
            this_library(),
            "fixture-faulty",
            &options(json!({"panic_in": hook})),
        );
        let reasons: Vec<_> = report.failures().collect();
        let is_named = reasons
            .iter()
            .any(|(_, why)| why.contains("plugin panicked"));
        assert!(is_named, "{hook}: {report}");
    }
}

#[test]
fn a_panicking_drop_does_not_cross_the_boundary() {
    let context = context(json!({"panic_in": "drop"}));
    let client = BackendClient::open(this_library(), "fixture-faulty", &context).unwrap();
    let spec = RequestSpec::one_token("m", PromptContent::Text("a".to_owned()));
    let mut decoder = client.decoder(&spec).unwrap();
    let mut buffer = EventBuf::default();
    decoder.feed(Message::Data(b"[DONE]"), &mut buffer).unwrap();
    drop(decoder);
}

#[test]
fn the_engine_emits_each_token_in_its_time() {
    let context = context(json!({"itl_ms": 2.0}));
    let engine = EngineClient::open(this_library(), "fixture-engine", &context, &launch()).unwrap();
    let (sender, receiver) = channel();
    let sink = SharedSink::new(Channel(Mutex::new(sender)));
    let spec = RequestSpec {
        output_tokens: 3,
        ..RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2]))
    };
    engine.submit(9, &spec, &sink).unwrap();
    let mut events = Vec::new();
    let mut times = Vec::new();
    while events.last() != Some(&Replayed::End) {
        let (id, t_ns, new) = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(id, 9);
        if matches!(new[0], Replayed::Output(..)) {
            times.push(t_ns);
        }
        events.extend(new);
    }
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 2_000_000));
    assert!(events.contains(&Replayed::Finish("length".to_owned())));
    engine.shutdown();
    assert!(engine.submit(10, &spec, &sink).is_err());
}

#[test]
fn a_cancelled_request_stops() {
    let context = context(json!({"itl_ms": 5.0}));
    let engine = EngineClient::open(this_library(), "fixture-engine", &context, &launch()).unwrap();
    let (sender, receiver) = channel();
    let sink = SharedSink::new(Channel(Mutex::new(sender)));
    let spec = RequestSpec {
        output_tokens: 1_000_000,
        ..RequestSpec::one_token("m", PromptContent::TokenIds(vec![1]))
    };
    engine.submit(1, &spec, &sink).unwrap();
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    engine.cancel(1);
    engine.shutdown();
    assert!(
        !receiver
            .try_iter()
            .any(|(_, _, new)| new.contains(&Replayed::End))
    );
}
