//! Requests of the plugin's own server: OpenAI's, with vLLM's extensions.

use inferbench_plugin_api::openai::{
    Endpoint, MODELS_PROBE, OpenAiWire, info_probe, models_request,
};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes};

use crate::describe::HfOptions;

/// Info probe of `GET /server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// The wire format that the options ask for.
///
/// # Errors
/// If the server has no such endpoint.
pub(crate) fn wire(options: &HfOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint == Endpoint::Responses {
        let words = "options.endpoint is `responses`, must be `completions` or `chat`";
        return Err(PluginError::new(words));
    }
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::default()
    })
}

pub(crate) fn probes() -> Probes {
    Probes {
        health: Some(ControlRequest::get("/health")),
        models: Some(models_request()),
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            info_probe(MODELS_PROBE, "/v1/models", &[]),
            info_probe(SERVER_INFO_PROBE, "/server_info", &[]),
        ],
    }
}
