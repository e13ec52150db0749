//! What the plugin's own server reports about itself.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence};
use inferbench_plugin_api::prometheus::{MetricNames, Samples};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json};
use serde_json::Value;

use crate::wire::SERVER_INFO_PROBE;

const NAMES: MetricNames = MetricNames {
    running_requests: "hf:num_requests_running",
    waiting_requests: "hf:num_requests_waiting",
    prompt_tokens: "hf:prompt_tokens_total",
    generation_tokens: "hf:generation_tokens_total",
    ..MetricNames::NONE
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    let text = String::from_utf8_lossy(bytes);
    match source {
        EvidenceSource::Metrics => Ok(Samples::parse(&text).evidence(&NAMES)),
        EvidenceSource::LogLine => log_line(&text),
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models_evidence(bytes),
            SERVER_INFO_PROBE => server_info(bytes),
            _ => Ok(Evidence::default()),
        },
    }
}

fn log_line(line: &str) -> Result<Evidence, PluginError> {
    if let Some((_, info)) = line.split_once("ready: ") {
        return server_info(info.as_bytes());
    }
    let Some((_, info)) = line.split_once("loaded: ") else {
        return Ok(Evidence::default());
    };
    let loaded: Value = json::read(info.as_bytes())?;
    Ok(Evidence {
        weights_loaded: Some(true),
        weights_bytes: loaded.get("weights_bytes").and_then(Value::as_u64),
        ..Evidence::default()
    })
}

/// Pairs of tokens and bytes.
fn growth(info: &Value) -> Option<Vec<(u64, u64)>> {
    let pairs = info.get("kv_growth")?.as_array()?;
    let pair = |pair: &Value| Some((pair.get(0)?.as_u64()?, pair.get(1)?.as_u64()?));
    pairs.iter().map(pair).collect()
}

fn server_info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let info: Value = json::read(bytes)?;
    let text = |key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
    let version = |package: &str| text(package).map(|version| format!("{package} {version}"));
    let versions: Vec<String> = [version("transformers"), version("torch")]
        .into_iter()
        .flatten()
        .collect();
    Ok(Evidence {
        model: text("model"),
        dtype: text("dtype"),
        max_model_len: info.get("max_model_len").and_then(Value::as_u64),
        version: (!versions.is_empty()).then(|| versions.join(", ")),
        attention_backend: text("attn_implementation"),
        quantization: text("quantization"),
        prefix_caching: Some(false),
        weights_bytes: info.get("weights_bytes").and_then(Value::as_u64),
        kv_growth: growth(&info),
        ..Evidence::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_reports_what_is_in_effect() {
        let line = br#"ready: {"model": "/m", "dtype": "float32", "device": "cpu",
            "attn_implementation": "sdpa", "max_model_len": 4096, "transformers": "5.24.0",
            "torch": "2.13.0"}"#;
        let evidence = read(&EvidenceSource::LogLine, line).unwrap();
        assert_eq!(evidence.dtype.as_deref(), Some("float32"));
        assert_eq!(evidence.attention_backend.as_deref(), Some("sdpa"));
        assert_eq!(evidence.max_model_len, Some(4096));
        let version = evidence.version.as_deref();
        assert_eq!(version, Some("transformers 5.24.0, torch 2.13.0"));
    }

    #[test]
    fn the_cache_s_growth_and_the_weights_are_reported() {
        let line = br#"loaded: {"weights_bytes": 1000}"#;
        let evidence = read(&EvidenceSource::LogLine, line).unwrap();
        assert_eq!(
            (evidence.weights_loaded, evidence.weights_bytes),
            (Some(true), Some(1000))
        );
        let info = br#"{"kv_growth": [[16, 16384], [32, 32768]]}"#;
        let source = EvidenceSource::Info(SERVER_INFO_PROBE.to_owned());
        let evidence = read(&source, info).unwrap();
        assert_eq!(evidence.kv_growth, Some(vec![(16, 16384), (32, 32768)]));
        let none = read(&source, br#"{"kv_growth": null}"#).unwrap();
        assert_eq!(none.kv_growth, None);
    }

    #[test]
    fn metrics_report_the_queue() {
        let text = b"hf:num_requests_running 1\nhf:num_requests_waiting 3\n";
        let evidence = read(&EvidenceSource::Metrics, text).unwrap();
        assert_eq!(
            (evidence.running_requests, evidence.waiting_requests),
            (Some(1.0), Some(3.0))
        );
        assert_eq!(evidence.kv_cache_usage_ratio, None);
    }
}
