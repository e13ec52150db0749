//! What Text Generation Inference reports about itself, in its metrics and its answers.
//!
//! Source: `docs/source/reference/metrics.md` and `router/src/lib.rs` (`Info`).

use inferbench_plugin_api::prometheus::{self, MetricNames};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json};
use serde_json::Value;

use crate::wire::INFO_PROBE;

const NAMES: MetricNames = MetricNames {
    running_requests: "tgi_batch_current_size",
    waiting_requests: "tgi_queue_size",
    prompt_tokens: "tgi_request_input_length_sum",
    generation_tokens: "tgi_request_generated_tokens_sum",
    ..MetricNames::NONE
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Metrics => Ok(prometheus::evidence(bytes, &NAMES)),
        EvidenceSource::Info(name) if name == INFO_PROBE => info(bytes),
        _ => Ok(Evidence::default()),
    }
}

/// Versions from 3 on do not say the data type and the tokens of a batch.
fn info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let text = |key: &str| answer.get(key)?.as_str().map(str::to_owned);
    let whole = |key: &str| answer.get(key)?.as_u64();
    let dtype = text("model_dtype");
    Ok(Evidence {
        model: text("model_id"),
        version: text("version"),
        dtype: dtype.map(|dtype| dtype.trim_start_matches("torch.").to_owned()),
        max_model_len: whole("max_total_tokens"),
        kv_cache_tokens: whole("max_batch_total_tokens"),
        ..Evidence::default()
    })
}
