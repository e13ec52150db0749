//! The conformance suite, and recorded answers of vLLM 0.32.0.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::{
    Backend, Evidence, EvidenceSource, OutputKind, PromptContent, RequestSpec, Served,
};
use inferbench_testkit::trial::{Trial, info, launch_context};
use inferbench_testkit::{Replayed, text_of};
use inferbench_vllm::Vllm;
use serde_json::json;

const PLUGIN: Trial<Served<Vllm>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "responses"}),
        json!({"endpoint": "chat", "enable_prefix_caching": false, "max_num_seqs": 8}),
    ]);
}

#[test]
fn options_become_vllm_s_flags() {
    let value = json!({
        "command": ["/opt/vllm/bin/vllm", "serve"], "gpu_memory_utilization": 0.5,
        "enforce_eager": true, "enable_prefix_caching": false, "extra_args": ["--x", "1"]
    });
    let plan = PLUGIN.plan(value);
    let line = plan.command.join(" ");
    assert_eq!(
        line,
        "/opt/vllm/bin/vllm serve org/model --host 127.0.0.1 --port 8100 --served-model-name \
         served --seed 42 --generation-config vllm --dtype float16 --max-model-len 4096 \
         --gpu-memory-utilization 0.5 --enforce-eager --no-enable-prefix-caching --x 1"
    );
    let names: Vec<_> = plan.env.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["VLLM_SERVER_DEV_MODE", "VLLM_NO_USAGE_STATS"]);
    assert_eq!(plan.package, None);
}

#[test]
fn its_own_command_comes_from_the_package_vllm() {
    let package = PLUGIN.plan(json!({})).package.unwrap();
    assert_eq!((&*package.name, &*package.program), ("vllm", "vllm"));
}

#[test]
fn a_local_model_keeps_the_hub_out() {
    let mut context = launch_context();
    context.model.id = env!("CARGO_MANIFEST_DIR").to_owned();
    let plan = PLUGIN.plan_for(json!({}), &context).unwrap();
    assert!(plan.env.iter().any(|v| v.name == "HF_HUB_OFFLINE"));
}

#[test]
fn requests_carry_token_ids_and_ask_for_running_counts() {
    let mut spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2]));
    spec.force_output = true;
    let body = PLUGIN.body(json!({}), &spec);
    assert_eq!(body["prompt"], json!([1, 2]));
    assert_eq!(body["stream_options"]["continuous_usage_stats"], true);
    assert_eq!(
        (&body["ignore_eos"], &body["min_tokens"]),
        (&json!(true), &json!(1))
    );
}

#[test]
fn a_recorded_answer_to_token_ids_reads_whole() {
    let spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1]));
    let stream = include_bytes!("captures/completions.sse");
    let replayed = PLUGIN.replay_sse(json!({}), &spec, stream);
    assert!(!text_of(&replayed, OutputKind::Text).is_empty());
    assert_eq!(replayed.last(), Some(&Replayed::End));
}

fn evidence(source: EvidenceSource, bytes: &[u8]) -> Evidence {
    PLUGIN.open(json!({})).evidence(&source, bytes).unwrap()
}

#[test]
fn recorded_metrics_report_the_cache_and_its_use() {
    // Read off the file: 20 blocks of 128 tokens, 18 requests of 64 prompt tokens.
    let found = evidence(
        EvidenceSource::Metrics,
        include_bytes!("captures/metrics.txt"),
    );
    assert_eq!(found.kv_cache_tokens, Some(2560));
    assert_eq!(found.kv_cache_bytes, Some(1_073_741_824));
    assert_eq!(found.prefix_caching, Some(true));
    assert_eq!(found.prefix_cache_queries, Some(1152.0));
    assert_eq!(found.prefix_cache_hits, Some(0.0));
    assert_eq!(found.preemptions, Some(13.0));
    assert_eq!(found.running_requests, Some(0.0));
    assert_eq!(found.kv_cache_usage_ratio, Some(0.0));
}

#[test]
fn recorded_answers_report_what_is_in_effect() {
    let mut found = evidence(info("models"), include_bytes!("captures/models.json"));
    assert_eq!(found.model.as_deref(), Some("/models/tiny"));
    found.absorb(evidence(
        info("version"),
        include_bytes!("captures/version.json"),
    ));
    found.absorb(evidence(
        info("server_info"),
        include_bytes!("captures/server-info.json"),
    ));
    assert_eq!(found.version.as_deref(), Some("0.32.0"));
    assert_eq!(found.dtype.as_deref(), Some("float32"));
    assert_eq!(found.max_model_len, Some(2048));
    assert_eq!(found.kv_cache_tokens, Some(1_048_576));
    assert_eq!(found.prefix_caching, Some(false));
    assert_eq!(found.attention_backend, None);
}
