//! Requests of the plugin's own server: OpenAI's, with vLLM's extensions.

use inferbench_plugin_api::openai::{self, OpenAiWire, models_probe};
use inferbench_plugin_api::{ControlRequest, InfoProbe, PluginError, Probes, Wire};

use crate::describe::HfOptions;

/// Info probe of `GET /server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// The wire format that the options ask for.
///
/// # Errors
/// If the server has no such endpoint.
pub(crate) fn wire(options: &HfOptions) -> Result<Box<dyn Wire>, PluginError> {
    Ok(Box::new(OpenAiWire {
        endpoint: options.endpoint.without_responses()?,
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::default()
    }))
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            models_probe(),
            InfoProbe::get(SERVER_INFO_PROBE, "/server_info"),
        ],
        ..openai::probes("/health")
    }
}
