//! What LMDeploy reports about itself, in its metrics and its list of models.
//!
//! Source: `lmdeploy/metrics/loggers.py` of LMDeploy.

use inferbench_plugin_api::openai;
use inferbench_plugin_api::prometheus::{self, MetricNames};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError};

const NAMES: MetricNames = MetricNames {
    running_requests: "lmdeploy:num_requests_running",
    waiting_requests: "lmdeploy:num_requests_waiting",
    kv_cache_usage_ratio: "lmdeploy:gpu_cache_usage_perc",
    prompt_tokens: "lmdeploy:prompt_tokens_total",
    generation_tokens: "lmdeploy:generation_tokens_total",
    ..MetricNames::NONE
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Metrics => Ok(prometheus::evidence(bytes, &NAMES)),
        _ => openai::usual_evidence(source, bytes),
    }
}
