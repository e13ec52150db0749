//! The conformance suite, and what Ollama's documentation says that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_ollama::Ollama;
use inferbench_plugin_api::{
    Backend, Framing, Message, OutputKind, PromptContent, PromptForm, RequestSpec, Served, Usage,
};
use inferbench_testkit::trial::{Trial, info};
use inferbench_testkit::{Replayed, text_of};
use serde_json::json;

const PLUGIN: Trial<Served<Ollama>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat"}),
        json!({"api": "openai"}),
        json!({"api": "openai", "endpoint": "chat"}),
    ]);
}

#[test]
fn options_become_ollama_s_environment() {
    let plan =
        PLUGIN.plan(json!({"num_parallel": 4, "flash_attention": false, "kv_cache_type": "q8_0"}));
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
    let http = PLUGIN.open(json!({})).encode(&spec).unwrap();
    assert_eq!(
        (&*http.path, http.framing),
        ("/api/generate", Framing::Ndjson)
    );
    assert_eq!(
        PLUGIN.body(json!({}), &spec),
        json!({"model": "m", "prompt": "hi", "raw": true, "stream": true,
            "options": {"num_predict": 1, "temperature": 0.0}})
    );
    spec.prompt = PromptContent::Messages(json!([{"role": "user", "content": "hi"}]));
    spec.stream = false;
    let chat = PLUGIN.open(json!({"endpoint": "chat"}));
    let http = chat.encode(&spec).unwrap();
    assert_eq!((&*http.path, http.framing), ("/api/chat", Framing::Body));
    assert_eq!(chat.prompt_form(), PromptForm::Messages);
    let refusal = PLUGIN.refusal(json!({"endpoint": "responses"}));
    assert!(refusal.starts_with("options.endpoint"), "{refusal}");
}

fn replayed(lines: &[&str]) -> Vec<Replayed> {
    let messages: Vec<_> = lines
        .iter()
        .map(|line| Message::Data(line.as_bytes()))
        .collect();
    PLUGIN.replay(json!({}), &text_request(), &messages)
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
    let plugin = PLUGIN.open(json!({}));
    let loaded = info("ps");
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
