//! The conformance suite, and recorded answers of `transformers serve` 5.24.0.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::abi::this_library;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    Backend, EvidenceSource, LaunchContext, LaunchPlan, ModelSpec, OpenContext, OutputKind,
    PluginError, PromptContent, PromptForm, RequestSpec, Usage,
};
use inferbench_testkit::{Replayed, conformance, replay, sse, text_of};
use inferbench_transformers_serve::TransformersServe;
use serde_json::{Map, Value, json};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn try_open(value: Value) -> Result<TransformersServe, PluginError> {
    TransformersServe::open(&OpenContext {
        options: options(value),
        attached: false,
    })
}

fn plan(value: Value) -> LaunchPlan {
    let context = LaunchContext {
        model: ModelSpec {
            id: "org/model".to_owned(),
            dtype: Some("float32".to_owned()),
            ..ModelSpec::default()
        },
        served_name: "org/model".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 8100,
        seed: 42,
        work_dir: "/w".into(),
        max_concurrency: None,
    };
    try_open(value).unwrap().launch(&context).unwrap().unwrap()
}

#[test]
fn it_passes_the_conformance_suite() {
    for value in [
        json!({}),
        json!({"endpoint": "chat", "continuous_batching": false}),
    ] {
        let report = conformance(this_library(), "transformers-serve", &options(value));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn options_become_flags_of_transformers_serve() {
    let line = plan(json!({"device": "cpu", "cb_num_blocks": 64, "extra_args": ["--x"]}));
    assert_eq!(
        line.command.join(" "),
        "transformers serve org/model --host 127.0.0.1 --port 8100 --default-seed 42 --log-level \
         info --continuous-batching --dtype float32 --device cpu --cb-num-blocks 64 --x"
    );
    let package = line.package.unwrap();
    assert_eq!(package.name, "transformers[serving]");
    let serial = plan(json!({"continuous_batching": false, "quantization": "bnb-4bit"}));
    let line = serial.command.join(" ");
    assert!(line.ends_with("--log-level info --dtype float32 --quantization bnb-4bit"));
}

fn body(value: Value, spec: &RequestSpec) -> Value {
    let http = try_open(value).unwrap().encode(spec).unwrap();
    serde_json::from_slice(&http.body).unwrap()
}

#[test]
fn a_length_is_forced_by_a_config_without_an_end_token() {
    let mut spec = RequestSpec::one_token("m", PromptContent::Text("hi".to_owned()));
    spec.output_tokens = 16;
    let free = body(json!({}), &spec);
    assert_eq!(
        free,
        json!({"model": "m", "prompt": "hi", "max_tokens": 16, "temperature": 0.0, "stream": true})
    );
    spec.force_output = true;
    let forced = body(json!({}), &spec);
    let config = |body: &Value| -> Value {
        serde_json::from_str(body["generation_config"].as_str().unwrap()).unwrap()
    };
    assert_eq!(
        config(&forced),
        json!({"max_new_tokens": 16, "do_sample": false})
    );
    spec.temperature = Some(0.7);
    assert_eq!(config(&body(json!({}), &spec))["do_sample"], true);
    let own = json!({"extra_body": {"generation_config": "{}"}});
    assert_eq!(body(own, &spec)["generation_config"], "{}");
}

#[test]
fn prompts_are_text_or_messages() {
    let form = |value| try_open(value).unwrap().prompt_form();
    assert_eq!(form(json!({})), PromptForm::Text);
    assert_eq!(form(json!({"endpoint": "chat"})), PromptForm::Messages);
    let error = try_open(json!({"endpoint": "responses"})).unwrap_err();
    assert!(error.message.starts_with("options.endpoint"), "{error}");
}

fn replayed(bytes: &[u8]) -> Vec<Replayed> {
    let context = OpenContext::default();
    let client = BackendClient::open(this_library(), "transformers-serve", &context).unwrap();
    let spec = RequestSpec::one_token("m", PromptContent::Text("x".to_owned()));
    let events = sse::split(bytes);
    let messages: Vec<_> = events.iter().map(sse::Event::message).collect();
    replay(&client, &spec, &messages).unwrap()
}

#[test]
fn four_tokens_came_in_three_texts_and_were_counted_at_the_end() {
    let events = replayed(include_bytes!("captures/completions.sse"));
    assert_eq!(
        text_of(&events, OutputKind::Text),
        "local\u{fffd}blockuration"
    );
    let usage = Usage {
        input_tokens: Some(7),
        output_tokens: Some(4),
        ..Usage::default()
    };
    assert!(events.contains(&Replayed::Usage(usage)), "{events:?}");
    assert_eq!(events.last(), Some(&Replayed::Finish("length".to_owned())));
}

#[test]
fn the_role_that_opens_a_chat_is_no_output() {
    let events = replayed(include_bytes!("captures/chat.sse"));
    let Some(Replayed::Output(OutputKind::Text, first, None)) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!(first, "angle");
    assert_eq!(events.last(), Some(&Replayed::Finish("length".to_owned())));
}

#[test]
fn the_log_says_when_the_model_is_loaded() {
    let plugin = try_open(json!({})).unwrap();
    let read = |line: &str| plugin.evidence(&EvidenceSource::LogLine, line.as_bytes());
    let started = read("INFO:     Application startup complete.").unwrap();
    assert_eq!(started.weights_loaded, Some(true));
    assert_eq!(
        read("INFO:     Waiting for application startup.")
            .unwrap()
            .weights_loaded,
        None
    );
}
