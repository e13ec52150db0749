//! The conformance suite, and what Ollama's documentation says that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_ollama::Ollama;
use inferbench_plugin_api::abi::this_library;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    Backend, EvidenceSource, Framing, LaunchContext, LaunchPlan, Message, ModelSpec, OpenContext,
    OutputKind, PluginError, PromptContent, PromptForm, RequestSpec, Usage,
};
use inferbench_testkit::{Replayed, conformance, replay, text_of};
use serde_json::{Map, Value, json};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn try_open(value: Value) -> Result<Ollama, PluginError> {
    Ollama::open(&OpenContext {
        options: options(value),
        attached: false,
    })
}

fn open(value: Value) -> Ollama {
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
    for value in [
        json!({}),
        json!({"endpoint": "chat"}),
        json!({"api": "openai"}),
        json!({"api": "openai", "endpoint": "chat"}),
    ] {
        let report = conformance(this_library(), "ollama", &options(value));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn options_become_ollama_s_environment() {
    let plan = plan(
        json!({"num_parallel": 4, "flash_attention": false, "kv_cache_type": "q8_0"}),
        None,
    );
    assert_eq!(plan.command, ["ollama", "serve"]);
    let env: Vec<String> = plan
        .env
        .iter()
        .map(|var| format!("{}={}", var.name, var.value))
        .collect();
    assert_eq!(
        env,
        [
            "OLLAMA_HOST=127.0.0.1:8100",
            "OLLAMA_KEEP_ALIVE=-1",
            "OLLAMA_CONTEXT_LENGTH=4096",
            "OLLAMA_NUM_PARALLEL=4",
            "OLLAMA_FLASH_ATTENTION=0",
            "OLLAMA_KV_CACHE_TYPE=q8_0",
        ]
    );
}

fn text_request() -> RequestSpec {
    RequestSpec::one_token("m", PromptContent::Text("hi".to_owned()))
}

#[test]
fn a_prompt_goes_raw_and_messages_go_to_the_chat() {
    let mut spec = text_request();
    let http = open(json!({})).encode(&spec).unwrap();
    assert_eq!(
        (&*http.path, http.framing),
        ("/api/generate", Framing::Ndjson)
    );
    assert_eq!(
        body(json!({}), &spec),
        json!({"model": "m", "prompt": "hi", "raw": true, "stream": true,
            "options": {"num_predict": 1, "temperature": 0.0}})
    );
    spec.prompt = PromptContent::Messages(json!([{"role": "user", "content": "hi"}]));
    spec.stream = false;
    let chat = open(json!({"endpoint": "chat"}));
    let http = chat.encode(&spec).unwrap();
    assert_eq!((&*http.path, http.framing), ("/api/chat", Framing::Body));
    assert_eq!(chat.prompt_form(), PromptForm::Messages);
    let error = try_open(json!({"endpoint": "responses"})).unwrap_err();
    assert!(error.message.starts_with("options.endpoint"), "{error}");
}

fn replayed(lines: &[&str]) -> Vec<Replayed> {
    let client = BackendClient::open(this_library(), "ollama", &OpenContext::default()).unwrap();
    let messages: Vec<_> = lines
        .iter()
        .map(|line| Message::Data(line.as_bytes()))
        .collect();
    replay(&client, &text_request(), &messages).unwrap()
}

#[test]
fn the_documented_stream_of_a_completion_reads_whole() {
    let events = replayed(&[
        r#"{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","response":"The","done":false}"#,
        r#"{"model":"llama3.2","created_at":"2023-08-04T08:52:19.4-07:00","response":" sky","done":false}"#,
        r#"{"model":"llama3.2","created_at":"2023-08-04T19:22:45.499127Z","response":"","done":true,"done_reason":"length","context":[1,2,3],"total_duration":10706818083,"load_duration":6338219291,"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":259,"eval_duration":4232710000}"#,
    ]);
    assert_eq!(text_of(&events, OutputKind::Text), "The sky");
    let usage = Usage {
        input_tokens: Some(26),
        output_tokens: Some(259),
        ..Usage::default()
    };
    assert_eq!(
        events[2..],
        [
            Replayed::Usage(usage),
            Replayed::Finish("length".to_owned()),
            Replayed::End
        ]
    );
}

#[test]
fn a_chat_s_thinking_is_reasoning_and_an_error_is_an_error() {
    let events = replayed(&[
        r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
        r#"{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}"#,
        r#"{"error":"an error was encountered while running the model"}"#,
    ]);
    assert_eq!(text_of(&events, OutputKind::Reasoning), "hm");
    assert_eq!(text_of(&events, OutputKind::Text), "Hi");
    assert_eq!(
        events.last(),
        Some(&Replayed::Error(
            "an error was encountered while running the model".to_owned()
        ))
    );
}

#[test]
fn what_is_no_object_is_malformed() {
    assert_eq!(
        replayed(&["[1]", "{", " "]),
        [Replayed::Malformed, Replayed::Malformed]
    );
}

#[test]
fn the_one_model_that_is_loaded_says_what_is_in_effect() {
    let plugin = open(json!({}));
    let loaded = EvidenceSource::Info("ps".to_owned());
    let found = plugin
        .evidence(
            &loaded,
            br#"{"models":[{"name":"m:latest","model":"m:latest","size":5137025024,"details":{"format":"gguf","quantization_level":"Q4_0"},"size_vram":5137025024,"context_length":4096}]}"#,
        )
        .unwrap();
    assert_eq!(found.model.as_deref(), Some("m:latest"));
    assert_eq!(found.quantization.as_deref(), Some("Q4_0"));
    assert_eq!(found.max_model_len, Some(4096));
    let none = plugin.evidence(&loaded, br#"{"models":[]}"#).unwrap();
    assert!(none.is_empty());
}
