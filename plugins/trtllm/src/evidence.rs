//! What TensorRT-LLM reports about itself, in its metrics and its answers.
//!
//! Source: `tensorrt_llm/metrics/collector.py` of TensorRT-LLM.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence, version_evidence};
use inferbench_plugin_api::prometheus::{MetricNames, Samples};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError};

use crate::wire::VERSION_PROBE;

const NAMES: MetricNames = MetricNames {
    running_requests: "trtllm_num_requests_running",
    waiting_requests: "trtllm_num_requests_waiting",
    kv_cache_usage_ratio: "trtllm_kv_cache_utilization",
    prefix_cache_queries: "trtllm_prompt_tokens_total",
    prefix_cache_hits: "trtllm_prompt_cached_tokens_total",
    prompt_tokens: "trtllm_prompt_tokens_total",
    ..MetricNames::NONE
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Metrics => Ok(metrics(&String::from_utf8_lossy(bytes))),
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models_evidence(bytes),
            VERSION_PROBE => version_evidence(bytes),
            _ => Ok(Evidence::default()),
        },
        EvidenceSource::LogLine => Ok(Evidence::default()),
    }
}

fn metrics(text: &str) -> Evidence {
    let samples = Samples::parse(text);
    Evidence {
        draft_acceptance_ratio: samples.ratio(
            "trtllm_spec_decode_accepted_tokens_total",
            "trtllm_spec_decode_drafted_tokens_total",
        ),
        ..samples.evidence(&NAMES)
    }
}
