//! The conformance suite, and what TensorRT-LLM's source says that it sends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::{
    Backend, EvidenceSource, OutputKind, PromptContent, PromptForm, RequestSpec, Served,
};
use inferbench_testkit::trial::{Trial, info};
use inferbench_testkit::{Replayed, text_of};
use inferbench_trtllm::TrtLlm;
use serde_json::{Value, json};

const PLUGIN: Trial<Served<TrtLlm>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[json!({}), json!({"endpoint": "chat", "tp_size": 2})]);
}

#[test]
fn options_become_flags_and_a_file_of_settings() {
    let plan = PLUGIN.plan(json!({
            "tp_size": 2, "kv_cache_free_gpu_memory_fraction": 0.5, "enable_chunked_prefill": true,
            "llm_api_options": {"enable_iter_perf_stats": false, "kv_cache_config": {"enable_block_reuse": false}}
        }));
    assert_eq!(
        plan.command.join(" "),
        "trtllm-serve org/model --host 127.0.0.1 --port 8100 --extra_llm_api_options /w/trtllm.yaml \
         --max_seq_len 4096 --tp_size 2 --kv_cache_free_gpu_memory_fraction 0.5 --enable_chunked_prefill"
    );
    let [file] = plan.files.as_slice() else {
        panic!("{:?}", plan.files);
    };
    let settings: Value = serde_json::from_str(&file.contents).unwrap();
    assert_eq!(
        settings,
        json!({"return_perf_metrics": true, "enable_iter_perf_stats": false,
            "kv_cache_config": {"enable_block_reuse": false}})
    );
    let package = plan.package.unwrap();
    assert_eq!(
        (&*package.name, &*package.program),
        ("tensorrt-llm", "trtllm-serve")
    );
}

#[test]
fn requests_carry_token_ids_and_a_forced_length() {
    let mut spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2]));
    spec.force_output = true;
    let body = PLUGIN.body(json!({}), &spec);
    assert_eq!(body["prompt"], json!([1, 2]));
    assert_eq!(
        (&body["ignore_eos"], &body["min_tokens"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(body["stream_options"]["continuous_usage_stats"], true);
    assert_eq!(
        PLUGIN.open(json!({"endpoint": "chat"})).prompt_form(),
        PromptForm::Messages
    );
    let refusal = PLUGIN.refusal(json!({"endpoint": "responses"}));
    assert!(refusal.starts_with("options.endpoint"), "{refusal}");
}

/// Fields of `CompletionStreamResponse` in `serve/openai_protocol.py`.
const STREAM: &[u8] = br#"data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hello","token_ids":null,"logprobs":null,"finish_reason":null,"stop_reason":null,"avg_decoded_tokens_per_iter":1.0}],"usage":{"prompt_tokens":5,"total_tokens":6,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}}

data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" you","token_ids":null,"logprobs":null,"finish_reason":"length","stop_reason":null,"avg_decoded_tokens_per_iter":1.0}],"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}

data: [DONE]

"#;

#[test]
fn a_stream_as_its_protocol_has_it_is_counted_event_by_event() {
    let spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1]));
    let replayed = PLUGIN.replay_sse(json!({}), &spec, STREAM);
    assert_eq!(text_of(&replayed, OutputKind::Text), "Hello you");
    let output = |text: &str, n| Replayed::Output(OutputKind::Text, text.to_owned(), Some(n));
    assert_eq!(replayed[0], output("Hello", 1));
    assert!(replayed.contains(&output(" you", 2)), "{replayed:?}");
    assert_eq!(replayed.last(), Some(&Replayed::End));
}

#[test]
fn metrics_report_the_queue_the_cache_and_drafts() {
    let text = br#"trtllm_num_requests_running{model_name="m"} 3.0
trtllm_num_requests_waiting{model_name="m"} 1.0
trtllm_kv_cache_utilization{model_name="m"} 0.5
trtllm_prompt_tokens_total{model_name="m"} 100.0
trtllm_prompt_cached_tokens_total{model_name="m"} 25.0
trtllm_spec_decode_drafted_tokens_total{model_name="m"} 8.0
trtllm_spec_decode_accepted_tokens_total{model_name="m"} 6.0
"#;
    let plugin = PLUGIN.open(json!({}));
    let found = plugin.evidence(&EvidenceSource::Metrics, text).unwrap();
    assert_eq!(
        (found.running_requests, found.waiting_requests),
        (Some(3.0), Some(1.0))
    );
    assert_eq!(found.kv_cache_usage_ratio, Some(0.5));
    assert_eq!(
        (found.prefix_cache_queries, found.prefix_cache_hits),
        (Some(100.0), Some(25.0))
    );
    assert_eq!(found.draft_acceptance_ratio, Some(0.75));
    let found = plugin
        .evidence(&info("version"), br#"{"version": "1.2.0"}"#)
        .unwrap();
    assert_eq!(found.version.as_deref(), Some("1.2.0"));
}
