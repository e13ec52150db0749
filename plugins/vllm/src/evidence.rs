//! What vLLM reports about itself, in its metrics, its answers and its log.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence, version_evidence};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json, prometheus};
use serde_json::Value;

use crate::log::log_line;
use crate::wire::{SERVER_INFO_PROBE, VERSION_PROBE};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    let text = || String::from_utf8_lossy(bytes);
    match source {
        EvidenceSource::Metrics => Ok(prometheus::vllm_evidence(&text())),
        EvidenceSource::LogLine => Ok(log_line(&text())),
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models_evidence(bytes),
            VERSION_PROBE => version_evidence(bytes),
            SERVER_INFO_PROBE => server_info(bytes),
            _ => Ok(Evidence::default()),
        },
    }
}

fn server_info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let config = answer.get("vllm_config").unwrap_or(&Value::Null);
    let at = |path: &str| config.pointer(path);
    let text = |path: &str| at(path).and_then(Value::as_str);
    let whole = |path: &str| at(path).and_then(Value::as_u64);
    let dtype = text("/model_config/dtype");
    Ok(Evidence {
        model: text("/model_config/model").map(str::to_owned),
        dtype: dtype.map(|dtype| dtype.trim_start_matches("torch.").to_owned()),
        max_model_len: whole("/model_config/max_model_len"),
        kv_cache_tokens: whole("/cache_config/kv_cache_size_tokens"),
        kv_cache_bytes: whole("/cache_config/kv_cache_memory_bytes"),
        kv_cache_blocks: whole("/cache_config/num_gpu_blocks"),
        kv_block_size: whole("/cache_config/block_size"),
        kv_cache_dtype: text("/cache_config/cache_dtype")
            .filter(|dtype| *dtype != "auto")
            .map(str::to_owned),
        prefix_caching: at("/cache_config/enable_prefix_caching").and_then(Value::as_bool),
        attention_backend: text("/attention_config/backend").map(str::to_owned),
        quantization: at("/model_config/quantization").and_then(|value| match value {
            Value::Null => Some("none".to_owned()),
            value => value.as_str().map(str::to_owned),
        }),
        max_running_requests: whole("/scheduler_config/max_num_seqs"),
        max_batched_tokens: whole("/scheduler_config/max_num_batched_tokens"),
        ..Evidence::default()
    })
}
