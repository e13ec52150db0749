//! The conformance suite, and what LMDeploy's source says that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_lmdeploy::LmDeploy;
use inferbench_plugin_api::{
    Backend, EvidenceSource, OutputKind, PromptContent, PromptForm, RequestSpec, Served,
};
use inferbench_testkit::trial::Trial;
use inferbench_testkit::{Replayed, text_of};
use serde_json::json;

const PLUGIN: Trial<Served<LmDeploy>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[json!({}), json!({"endpoint": "chat", "tp": 2})]);
}

#[test]
fn options_become_lmdeploy_s_flags() {
    let plan = PLUGIN
        .plan(json!({"tp": 2, "enable_prefix_caching": true, "extra_args": ["--enable-metrics"]}));
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
    let body = PLUGIN.body(json!({}), &spec);
    assert_eq!(
        (&body["prompt"], &body["ignore_eos"]),
        (&json!("hi"), &json!(true))
    );
    assert_eq!(PLUGIN.open(json!({})).prompt_form(), PromptForm::Text);
    assert_eq!(
        PLUGIN.open(json!({"endpoint": "chat"})).prompt_form(),
        PromptForm::Messages
    );
    let refusal = PLUGIN.refusal(json!({"endpoint": "responses"}));
    assert!(refusal.starts_with("options.endpoint"), "{refusal}");
}

/// Fields of `CompletionStreamResponse` in `serve/openai/protocol.py`.
const STREAM: &[u8] = br#"data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hello","logprobs":null,"gen_tokens":null,"finish_reason":null}],"usage":null}

data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" you","logprobs":null,"gen_tokens":null,"finish_reason":"length"}],"usage":null}

data: {"id":"1","object":"text_completion","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2}}

data: [DONE]

"#;

#[test]
fn a_stream_as_its_protocol_has_it_reads_whole() {
    let spec = RequestSpec::one_token("m", PromptContent::Text("x".to_owned()));
    let replayed = PLUGIN.replay_sse(json!({}), &spec, STREAM);
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
    let found = PLUGIN
        .open(json!({}))
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
