//! The conformance suite, and what LMDeploy's source says that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_lmdeploy::LmDeploy;
use inferbench_plugin_api::abi::this_library;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    Backend, EvidenceSource, LaunchContext, LaunchPlan, ModelSpec, OpenContext, OutputKind,
    PluginError, PromptContent, PromptForm, RequestSpec,
};
use inferbench_testkit::{Replayed, conformance, replay, sse, text_of};
use serde_json::{Map, Value, json};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn try_open(value: Value) -> Result<LmDeploy, PluginError> {
    LmDeploy::open(&OpenContext {
        options: options(value),
        attached: false,
    })
}

fn open(value: Value) -> LmDeploy {
    try_open(value).unwrap()
}

fn plan(value: Value, max_concurrency: Option<u32>) -> LaunchPlan {
    let context = LaunchContext {
        model: ModelSpec {
            id: "org/model".to_owned(),
            dtype: Some("float16".to_owned()),
            max_model_len: Some(4096),
            tokenizer: None,
        },
        served_name: "served".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 8100,
        seed: 42,
        work_dir: "/w".into(),
        max_concurrency,
    };
    open(value).launch(&context).unwrap().unwrap()
}

fn body(value: Value, spec: &RequestSpec) -> Value {
    serde_json::from_slice(&open(value).encode(spec).unwrap().body).unwrap()
}

#[test]
fn it_passes_the_conformance_suite() {
    for value in [json!({}), json!({"endpoint": "chat", "tp": 2})] {
        let report = conformance(this_library(), "lmdeploy", &options(value));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn options_become_lmdeploy_s_flags() {
    let plan = plan(
        json!({"tp": 2, "enable_prefix_caching": true, "extra_args": ["--enable-metrics"]}),
        None,
    );
    assert_eq!(
        plan.command.join(" "),
        "lmdeploy serve api_server org/model --server-name 127.0.0.1 --server-port 8100 --model-name \
         served --dtype float16 --session-len 4096 --tp 2 --enable-prefix-caching --enable-metrics"
    );
    let package = plan.package.unwrap();
    assert_eq!(
        (&*package.name, &*package.program),
        ("lmdeploy", "lmdeploy")
    );
}

#[test]
fn requests_are_text_of_forced_length_or_messages() {
    let mut spec = RequestSpec::one_token("m", PromptContent::Text("hi".to_owned()));
    spec.force_output = true;
    let body = body(json!({}), &spec);
    assert_eq!(
        (&body["prompt"], &body["ignore_eos"]),
        (&json!("hi"), &json!(true))
    );
    assert_eq!(open(json!({})).prompt_form(), PromptForm::Text);
    assert_eq!(
        open(json!({"endpoint": "chat"})).prompt_form(),
        PromptForm::Messages
    );
    let error = try_open(json!({"endpoint": "responses"})).unwrap_err();
    assert!(error.message.starts_with("options.endpoint"), "{error}");
}

/// Fields of `CompletionStreamResponse` in `serve/openai/protocol.py`.
const STREAM: &[u8] = br#"data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hello","logprobs":null,"gen_tokens":null,"finish_reason":null}],"usage":null}

data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" you","logprobs":null,"gen_tokens":null,"finish_reason":"length"}],"usage":null}

data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2}}

data: [DONE]

"#;

#[test]
fn a_stream_as_its_protocol_has_it_reads_whole() {
    let client = BackendClient::open(this_library(), "lmdeploy", &OpenContext::default()).unwrap();
    let spec = RequestSpec::one_token("m", PromptContent::Text("x".to_owned()));
    let events = sse::split(STREAM);
    let messages: Vec<_> = events.iter().map(sse::Event::message).collect();
    let replayed = replay(&client, &spec, &messages).unwrap();
    assert_eq!(text_of(&replayed, OutputKind::Text), "Hello you");
    assert!(replayed.contains(&Replayed::Finish("length".to_owned())));
    assert_eq!(replayed.last(), Some(&Replayed::End));
}

#[test]
fn metrics_report_the_queue_and_the_cache_s_use() {
    let text = br#"lmdeploy:num_requests_running{model_name="m",engine="0"} 3.0
lmdeploy:num_requests_running{model_name="m",engine="1"} 2.0
lmdeploy:num_requests_waiting{model_name="m",engine="0"} 1.0
lmdeploy:gpu_cache_usage_perc{model_name="m",engine="0"} 0.5
lmdeploy:gpu_cache_usage_perc{model_name="m",engine="1"} 0.25
lmdeploy:generation_tokens_total{model_name="m",engine="0"} 96.0
"#;
    let found = open(json!({}))
        .evidence(&EvidenceSource::Metrics, text)
        .unwrap();
    assert_eq!(
        (found.running_requests, found.waiting_requests),
        (Some(5.0), Some(1.0))
    );
    assert_eq!(found.kv_cache_usage_ratio, Some(0.375));
    assert_eq!(found.generation_tokens, Some(96.0));
    assert_eq!(found.prefix_cache_hits, None);
}
