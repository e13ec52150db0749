//! The conformance suite, and recorded answers of llama.cpp's server, build 11434.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_llamacpp::LlamaCpp;
use inferbench_plugin_api::{
    Backend, Evidence, EvidenceSource, LaunchPlan, OutputKind, PluginError, PromptContent,
    PromptForm, RequestSpec, Served, Usage,
};
use inferbench_testkit::trial::{Trial, info, launch_context};
use inferbench_testkit::{Replayed, text_of};
use serde_json::{Value, json};

const PLUGIN: Trial<Served<LlamaCpp>> = Trial::new();

fn try_plan(value: Value, model: &str) -> Result<LaunchPlan, PluginError> {
    let mut context = launch_context();
    context.model.id = model.to_owned();
    PLUGIN.plan_for(value, &context)
}

fn plan(value: Value, model: &str) -> LaunchPlan {
    try_plan(value, model).unwrap()
}

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"gguf": "/m.gguf", "endpoint": "chat", "timings_per_token": false, "parallel": 8}),
    ]);
}

#[test]
fn options_become_llama_server_s_flags() {
    let value = json!({
        "command": ["/opt/llama/llama-server"], "parallel": 8, "gpu_layers": "all",
        "cache_type_k": "q8_0", "cache_prompt": false, "extra_args": ["--verbosity", "4"]
    });
    let line = plan(value, "/models/m.gguf").command.join(" ");
    // 8 slots of 4,096 tokens.
    assert_eq!(
        line,
        "/opt/llama/llama-server --model /models/m.gguf --alias served --host 127.0.0.1 --port 8100 \
         --seed 42 --parallel 8 --metrics --cache-ram 0 --slot-save-path /w --ctx-size 32768 \
         --gpu-layers all --cache-type-k q8_0 --no-cache-prompt --verbosity 4"
    );
}

#[test]
fn a_model_is_a_file_or_a_repository_of_the_hub_and_no_folder() {
    let named = |value, model| plan(value, model).command[1..3].join(" ");
    assert_eq!(
        named(json!({}), "org/m-GGUF:Q4_K_M"),
        "--hf-repo org/m-GGUF:Q4_K_M"
    );
    assert_eq!(
        named(json!({"gguf": "/x.gguf"}), "/folder"),
        "--model /x.gguf"
    );
    let folder = env!("CARGO_MANIFEST_DIR");
    let error = try_plan(json!({}), folder).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "model.id is the folder {folder}, llama-server takes a GGUF file: set options.gguf to one"
        )
    );
}

#[test]
fn slots_that_no_context_holds_are_refused() {
    let error = try_plan(json!({"parallel": 1_000_000}), "m.gguf").unwrap_err();
    assert!(
        error.message.contains("1000000 slots of 4096 tokens"),
        "{error}"
    );
    let set = plan(json!({"parallel": 1_000_000, "ctx_size": 512}), "m.gguf");
    assert!(set.command.join(" ").contains("--ctx-size 512"));
}

#[test]
fn requests_carry_token_ids_and_ask_for_timings() {
    let mut spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2]));
    spec.force_output = true;
    let body = |value| PLUGIN.body(value, &spec);
    let usual = body(json!({}));
    assert_eq!(usual["prompt"], json!([1, 2]));
    assert_eq!(usual["timings_per_token"], true);
    assert_eq!(usual["ignore_eos"], true);
    let own = body(json!({"extra_body": {"timings_per_token": null, "cache_prompt": false}}));
    assert_eq!(own.get("timings_per_token"), None);
    assert_eq!(own["cache_prompt"], false);
    assert_eq!(
        PLUGIN.open(json!({"endpoint": "chat"})).prompt_form(),
        PromptForm::Messages
    );
    let refusal = PLUGIN.refusal(json!({"endpoint": "responses"}));
    assert!(refusal.starts_with("options.endpoint"), "{refusal}");
}

fn replayed(bytes: &[u8]) -> Vec<Replayed> {
    let spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1]));
    PLUGIN.replay_sse(json!({}), &spec, bytes)
}

/// Running counts of the events that hold text.
fn counts(events: &[Replayed]) -> Vec<Option<u32>> {
    let counts = events.iter().filter_map(|event| match event {
        Replayed::Output(_, text, tokens) if !text.is_empty() => Some(*tokens),
        _ => None,
    });
    counts.collect()
}

#[test]
fn timings_count_the_tokens_of_every_event() {
    let events = replayed(include_bytes!("captures/timings.sse"));
    assert_eq!(text_of(&events, OutputKind::Text), "ualithode ca have load");
    assert_eq!(counts(&events), [1, 2, 3, 4, 5, 6].map(Some));
    let usage = Usage {
        input_tokens: Some(7),
        output_tokens: Some(6),
        cached_tokens: Some(6),
        ..Usage::default()
    };
    assert!(events.contains(&Replayed::Usage(usage)), "{events:?}");
    assert_eq!(events.last(), Some(&Replayed::End));
}

/// With `return_progress` the stream begins with two messages about the prompt.
#[test]
fn progress_of_the_prompt_is_no_output() {
    let events = replayed(include_bytes!("captures/progress.sse"));
    assert_eq!(text_of(&events, OutputKind::Text), "D.lannotation");
    assert_eq!(counts(&events), [1, 2, 3].map(Some));
    assert_eq!(events.last(), Some(&Replayed::End));
}

fn read(plugin: &Served<LlamaCpp>, source: EvidenceSource, bytes: &[u8]) -> Evidence {
    plugin.evidence(&source, bytes).unwrap()
}

#[test]
fn recorded_metrics_report_the_cache_s_hits_and_the_queue() {
    let bytes = include_bytes!("captures/metrics.txt");
    let found = read(&PLUGIN.open(json!({})), EvidenceSource::Metrics, bytes);
    // 41 prompt tokens were computed and 84 found in the cache.
    assert_eq!(found.prompt_tokens, Some(125.0));
    assert_eq!(found.prefix_cache_queries, Some(125.0));
    assert_eq!(found.prefix_cache_hits, Some(84.0));
    assert_eq!(found.generation_tokens, Some(192.0));
    assert_eq!(
        (found.running_requests, found.waiting_requests),
        (Some(0.0), Some(0.0))
    );
    assert_eq!(found.draft_acceptance_ratio, None);
    let drafted = b"llamacpp:spec_decode_num_draft_tokens_total 8\n\
                    llamacpp:spec_decode_num_accepted_tokens_total 6\n";
    let found = read(&PLUGIN.open(json!({})), EvidenceSource::Metrics, drafted);
    assert_eq!(found.draft_acceptance_ratio, Some(0.75));
}

#[test]
fn recorded_answers_report_what_is_in_effect() {
    let plugin = PLUGIN.open(json!({}));
    let mut found = read(
        &plugin,
        info("models"),
        include_bytes!("captures/models.json"),
    );
    assert_eq!(found.weights_bytes, Some(4_067_840));
    let props = include_bytes!("captures/props.json");
    found.absorb(read(&plugin, info("props"), props));
    assert_eq!(found.model.as_deref(), Some("tiny-q.gguf"));
    assert_eq!(found.version.as_deref(), Some("b0-unknown"));
    assert_eq!(found.quantization.as_deref(), Some("(guessed) all F32"));
    assert_eq!(found.max_model_len, Some(2048));
    assert_eq!(found.max_running_requests, Some(4));
}

fn log_line(plugin: &Served<LlamaCpp>, line: &str) -> Evidence {
    read(plugin, EvidenceSource::LogLine, line.as_bytes())
}

#[test]
fn the_log_reports_slots_and_when_the_weights_are_there() {
    let line = "0.00.600.825 I srv    load_model: initializing, n_slots = 4, n_ctx_slot = 2048, \
                kv_unified = 'false'";
    let plugin = PLUGIN.open(json!({}));
    let found = log_line(&plugin, line);
    assert_eq!(found.max_running_requests, Some(4));
    assert_eq!(found.max_model_len, Some(2048));
    assert_eq!(found.kv_cache_tokens, Some(8192));
    let shared = log_line(&plugin, &line.replace("'false'", "'true'"));
    assert_eq!(shared.kv_cache_tokens, None);
    let loaded = log_line(&plugin, "0.00.604.399 I srv  llama_server: model loaded");
    assert_eq!(loaded.weights_loaded, Some(true));
}

#[test]
fn caches_of_one_start_add_up() {
    let plugin = PLUGIN.open(json!({}));
    let full = "0.00.5 I llama_kv_cache: size =  128.00 MiB (  4096 cells,   8 layers,  2/2 seqs), \
                K (q8_0):   64.00 MiB, V (q8_0):   64.00 MiB";
    let window = "0.00.6 I llama_kv_cache: size =   24.50 MiB (   768 cells,  10 layers,  2/2 seqs), \
                  K (q8_0):   12.25 MiB, V (q8_0):   12.25 MiB";
    for _ in 0..2 {
        log_line(
            &plugin,
            "0.00.1 I srv    load_model: loading model 'm.gguf'",
        );
        let first = log_line(&plugin, full);
        assert_eq!(first.kv_cache_tokens, Some(8192));
        assert_eq!(first.kv_cache_bytes, Some(134_217_728));
        let both = log_line(&plugin, window);
        assert_eq!(both.kv_cache_tokens, Some(8192));
        // 152.5 MiB.
        assert_eq!(both.kv_cache_bytes, Some(159_907_840));
        assert_eq!(both.kv_cache_dtype.as_deref(), Some("q8_0"));
    }
}

#[test]
fn as_many_slots_are_emptied_as_the_server_has() {
    let plugin = PLUGIN.open(json!({"parallel": 2}));
    let paths = |plugin: &Served<LlamaCpp>| -> Vec<String> {
        plugin.reset().into_iter().map(|r| r.path).collect()
    };
    assert_eq!(
        paths(&plugin),
        ["/slots/0?action=erase", "/slots/1?action=erase"]
    );
    read(
        &plugin,
        info("props"),
        include_bytes!("captures/props.json"),
    );
    assert_eq!(paths(&plugin).len(), 4);
}
