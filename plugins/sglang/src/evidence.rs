//! What SGLang reports about itself, in its metrics, its answers and its log.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence};
use inferbench_plugin_api::prometheus::{MetricNames, Samples};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json};
use serde_json::Value;

use crate::log::{gib, log_line};
use crate::wire::SERVER_INFO_PROBE;

/// Every prompt token is looked up in the radix cache.
const NAMES: MetricNames = MetricNames {
    running_requests: "sglang:num_running_reqs",
    waiting_requests: "sglang:num_queue_reqs",
    kv_cache_usage_ratio: "sglang:token_usage",
    prefix_cache_queries: "sglang:prompt_tokens_total",
    prefix_cache_hits: "sglang:cached_tokens_total",
    prompt_tokens: "sglang:prompt_tokens_total",
    generation_tokens: "sglang:generation_tokens_total",
    ..MetricNames::NONE
};

/// Labels by which the GPUs of one rank differ.
const SAME_RANK: [&str; 4] = ["tp_rank", "pp_rank", "moe_ep_rank", "ep_rank"];

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    let text = || String::from_utf8_lossy(bytes);
    match source {
        EvidenceSource::Metrics => Ok(metrics(&text())),
        EvidenceSource::LogLine => Ok(log_line(&text())),
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models_evidence(bytes),
            SERVER_INFO_PROBE => server_info(bytes),
            _ => Ok(Evidence::default()),
        },
    }
}

/// Whether the server streams each piece once, if `source` says so.
pub(crate) fn streams_incrementally(source: &EvidenceSource, bytes: &[u8]) -> Option<bool> {
    let is_info = matches!(source, EvidenceSource::Info(name) if name == SERVER_INFO_PROBE);
    let answer: Value = serde_json::from_slice(is_info.then_some(bytes)?).ok()?;
    // The second is its older name.
    let names = ["incremental_streaming_output", "stream_output"];
    names.iter().find_map(|name| answer.get(name)?.as_bool())
}

fn metrics(text: &str) -> Evidence {
    // Each GPU of a rank reports the same; ranks of `dp_rank` have a cache each.
    let samples = Samples::parse(text).each_once(&SAME_RANK);
    let tokens = samples.sum("sglang:max_total_num_tokens");
    let tokens = tokens.filter(|n| *n >= 1.0);
    // This one is the whole size, with the page that is kept free.
    let gib = samples.sum("sglang:kv_cache_memory_usage_gb");
    let bytes = gib.map(|gib| (gib * (1_u64 << 30) as f64).round());
    Evidence {
        kv_cache_tokens: tokens.map(|n| n as u64),
        kv_cache_bytes: bytes.filter(|n| *n >= 1.0).map(|n| n as u64),
        // It is 0 as long as nothing is drafted.
        draft_acceptance_ratio: samples
            .mean("sglang:spec_accept_rate")
            .filter(|ratio| *ratio > 0.0),
        ..samples.evidence(&NAMES)
    }
}

fn server_info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let at = |path: &str| answer.pointer(path);
    let whole = |path: &str| at(path).and_then(Value::as_u64);
    let text = |path: &str| {
        let text = at(path).and_then(Value::as_str);
        text.filter(|text| *text != "auto").map(str::to_owned)
    };
    // One state for each data-parallel rank.
    let of_states = |path: &str| {
        let states = at("/internal_states").and_then(Value::as_array)?;
        let each = states.iter().map(|state| state.pointer(path)?.as_f64());
        each.sum::<Option<f64>>().filter(|sum| *sum > 0.0)
    };
    let ranks = at("/internal_states").and_then(Value::as_array);
    let ranks = ranks.map_or(1, |states| states.len().max(1) as u64);
    let size = of_states("/memory_usage/kvcache");
    let radix_off = at("/disable_radix_cache").and_then(Value::as_bool);
    Ok(Evidence {
        model: text("/model_path"),
        dtype: text("/dtype"),
        version: text("/version"),
        max_model_len: whole("/context_length"),
        attention_backend: text("/attention_backend"),
        prefix_caching: radix_off.map(|off| !off),
        kv_cache_tokens: whole("/max_total_num_tokens")
            .map(|tokens| tokens.saturating_mul(ranks))
            .or_else(|| Some(of_states("/memory_usage/token_capacity")? as u64)),
        kv_cache_bytes: size.and_then(gib),
        kv_cache_dtype: text("/kv_cache_dtype"),
        kv_block_size: whole("/page_size"),
        quantization: at("/quantization").and_then(|value| match value {
            Value::Null => Some("none".to_owned()),
            value => value.as_str().map(str::to_owned),
        }),
        max_running_requests: whole("/max_running_requests")
            .or_else(|| whole("/internal_states/0/effective_max_running_requests_per_dp")),
        max_batched_tokens: whole("/chunked_prefill_size"),
        ..Evidence::default()
    })
}
