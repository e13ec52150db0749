//! Requests of the simulator: OpenAI's, with vLLM's extensions and metric names.

use inferbench_plugin_api::openai::{self, OpenAiWire};
use inferbench_plugin_api::{
    ControlRequest, Evidence, EvidenceSource, InfoProbe, PluginError, Probes, json, prometheus,
};
use serde_json::Value;

use crate::describe::SimOptions;

/// Info probe of `GET /server_info`: the server's options.
const SERVER_INFO_PROBE: &str = "server_info";

pub(crate) fn wire(options: &SimOptions) -> OpenAiWire {
    OpenAiWire {
        endpoint: options.endpoint,
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::default()
    }
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![InfoProbe::get(SERVER_INFO_PROBE, "/server_info")],
        ..openai::probes("/health")
    }
}

/// What one piece of evidence says.
///
/// # Errors
/// If the server info is not JSON.
pub(crate) fn evidence(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Metrics => {
            let text = String::from_utf8_lossy(bytes);
            Ok(prometheus::vllm_evidence(&text))
        }
        EvidenceSource::Info(name) if name == SERVER_INFO_PROBE => server_info(bytes),
        _ => Ok(Evidence::default()),
    }
}

fn server_info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let info: Value = json::read(bytes)?;
    let text = |key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
    let whole = |key: &str| info.get(key).and_then(Value::as_u64);
    Ok(Evidence {
        model: text("model"),
        version: text("version"),
        max_model_len: whole("max_model_len"),
        prefix_caching: info.get("prefix_caching").and_then(Value::as_bool),
        ..Evidence::default()
    })
}
