//! What LMDeploy reports about itself, in its metrics and its list of models.
//!
//! Source: `lmdeploy/metrics/loggers.py` of LMDeploy.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence};
use inferbench_plugin_api::prometheus::{MetricNames, Samples};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError};

const NAMES: MetricNames = MetricNames {
    running_requests: "lmdeploy:num_requests_running",
    waiting_requests: "lmdeploy:num_requests_waiting",
    kv_cache_usage_ratio: "lmdeploy:gpu_cache_usage_perc",
    prefix_cache_queries: "",
    prefix_cache_hits: "",
    preemptions: "",
    prompt_tokens: "lmdeploy:prompt_tokens_total",
    generation_tokens: "lmdeploy:generation_tokens_total",
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Metrics => {
            let text = String::from_utf8_lossy(bytes);
            Ok(Samples::parse(&text).evidence(&NAMES))
        }
        EvidenceSource::Info(name) if name == MODELS_PROBE => models_evidence(bytes),
        _ => Ok(Evidence::default()),
    }
}
