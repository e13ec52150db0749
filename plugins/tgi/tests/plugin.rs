//! The conformance suite, and what TGI's documentation and source say that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::{
    Backend, EvidenceSource, Framing, LaunchContext, Message, OutputKind, PromptContent,
    PromptForm, RequestSpec, Served, Usage,
};
use inferbench_testkit::trial::{Trial, info, launch_context};
use inferbench_testkit::{Replayed, text_of};
use inferbench_tgi::Tgi;
use serde_json::json;

const PLUGIN: Trial<Served<Tgi>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"api": "openai"}),
        json!({"api": "openai", "endpoint": "chat"}),
    ]);
}

#[test]
fn options_become_the_launcher_s_flags() {
    let line = |concurrency| {
        let value =
            json!({"num_shard": 2, "quantize": "fp8", "extra_args": ["--cuda-graphs", "0"]});
        let context = LaunchContext {
            max_concurrency: concurrency,
            ..launch_context()
        };
        let plan = PLUGIN.plan_for(value, &context).unwrap();
        plan.command.join(" ")
    };
    assert_eq!(
        line(Some(128)),
        "text-generation-launcher --model-id org/model --hostname 127.0.0.1 --port 8100 --dtype float16 \
         --max-total-tokens 4096 --max-input-tokens 4095 --num-shard 2 --quantize fp8 --cuda-graphs 0"
    );
    // More than its 128 would be refused.
    assert!(line(Some(256)).contains("--max-concurrent-requests 256"));
}

fn text_request() -> RequestSpec {
    RequestSpec::one_token("m", PromptContent::Text("hi".to_owned()))
}

#[test]
fn a_greedy_request_names_no_temperature() {
    let mut spec = text_request();
    let http = PLUGIN.open(json!({})).encode(&spec).unwrap();
    assert_eq!(
        (&*http.path, http.framing),
        ("/generate_stream", Framing::Sse)
    );
    assert_eq!(
        PLUGIN.body(json!({}), &spec),
        json!({"inputs": "hi", "parameters": {"max_new_tokens": 1, "details": true, "do_sample": false}})
    );
    (spec.temperature, spec.top_p, spec.seed) = (Some(0.7), Some(0.9), 5);
    assert_eq!(
        PLUGIN.body(json!({}), &spec)["parameters"],
        json!({"max_new_tokens": 1, "details": true, "do_sample": true, "temperature": 0.7,
            "top_p": 0.9, "seed": 5})
    );
}

#[test]
fn its_own_api_has_no_chat() {
    assert_eq!(
        PLUGIN.refusal(json!({"endpoint": "chat"})),
        "options.endpoint is `chat`, must be `completions` where api is `native`"
    );
    let chat = PLUGIN.open(json!({"api": "openai", "endpoint": "chat"}));
    assert_eq!(chat.prompt_form(), PromptForm::Messages);
}

fn replayed(messages: &[Message<'_>]) -> Vec<Replayed> {
    PLUGIN.replay(json!({}), &text_request(), messages)
}

/// Fields of `StreamResponse` in `router/src/lib.rs`.
const STREAM: &[u8] = br#"data:{"index":1,"token":{"id":264,"text":" a","logprob":-0.5,"special":false},"generated_text":null,"details":null}

data:{"index":2,"token":{"id":1,"text":" b","logprob":-0.5,"special":false},"generated_text":null,"details":null}

data:{"index":3,"token":{"id":2,"text":"</s>","logprob":-0.1,"special":true},"generated_text":" a b","details":{"finish_reason":"eos_token","generated_tokens":3,"seed":null,"input_length":5}}

"#;

#[test]
fn every_token_is_counted_and_a_special_one_is_not_shown() {
    let events = PLUGIN.replay_sse(json!({}), &text_request(), STREAM);
    assert_eq!(text_of(&events, OutputKind::Text), " a b");
    let output = |text: &str, n| Replayed::Output(OutputKind::Text, text.to_owned(), Some(n));
    let usage = Usage {
        input_tokens: Some(5),
        output_tokens: Some(3),
        ..Usage::default()
    };
    assert_eq!(
        events,
        [
            output(" a", 1),
            output(" b", 2),
            output("", 3),
            Replayed::Usage(usage),
            Replayed::Finish("eos_token".to_owned()),
        ]
    );
}

#[test]
fn a_whole_answer_is_one_output_and_an_error_is_an_error() {
    let whole = br#"{"generated_text":" a b","details":{"finish_reason":"length","generated_tokens":2,"seed":null,"prefill":[],"tokens":[]}}"#;
    let events = replayed(&[Message::Data(whole)]);
    assert_eq!(
        events[0],
        Replayed::Output(OutputKind::Text, " a b".to_owned(), Some(2))
    );
    let error = br#"{"error":"Model is overloaded","error_type":"overloaded"}"#;
    let events = replayed(&[Message::Data(error)]);
    assert_eq!(events, [Replayed::Error("Model is overloaded".to_owned())]);
}

#[test]
fn metrics_and_info_report_the_batch() {
    let plugin = PLUGIN.open(json!({}));
    let text = b"tgi_batch_current_size 4\ntgi_queue_size 2\ntgi_request_generated_tokens_sum 64\n";
    let found = plugin.evidence(&EvidenceSource::Metrics, text).unwrap();
    assert_eq!(
        (found.running_requests, found.waiting_requests),
        (Some(4.0), Some(2.0))
    );
    assert_eq!(found.generation_tokens, Some(64.0));
    let found = plugin
        .evidence(
            &info("info"),
            br#"{"model_id":"org/m","model_dtype":"torch.float16","max_total_tokens":4096,"max_batch_total_tokens":32768,"version":"2.4.0"}"#,
        )
        .unwrap();
    assert_eq!(found.model.as_deref(), Some("org/m"));
    assert_eq!(found.dtype.as_deref(), Some("float16"));
    assert_eq!(
        (found.max_model_len, found.kv_cache_tokens),
        (Some(4096), Some(32768))
    );
}
