//! Requests of vLLM's server: OpenAI's, with its extensions.

use inferbench_plugin_api::openai::{self, OpenAiWire, models_probe};
use inferbench_plugin_api::{ControlRequest, InfoProbe, PluginError, Probes, Wire};

use crate::describe::VllmOptions;

/// Info probe of `GET /version`.
pub(crate) const VERSION_PROBE: &str = "version";
/// Info probe of the development mode's `GET /server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// The wire format that the options ask for.
///
/// # Errors
/// If the API key is not in the environment.
pub(crate) fn wire(options: &VllmOptions) -> Result<Box<dyn Wire>, PluginError> {
    let key = options.api_key_env.as_deref();
    Ok(Box::new(OpenAiWire {
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::new(options.endpoint, key, &options.extra_body)?
    }))
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            models_probe(),
            InfoProbe::get(VERSION_PROBE, "/version"),
            InfoProbe::get(SERVER_INFO_PROBE, "/server_info?config_format=json"),
        ],
        ..openai::probes("/health")
    }
}

/// Exists only in the development mode, which a launch turns on.
pub(crate) fn reset() -> Vec<ControlRequest> {
    vec![ControlRequest::post("/reset_prefix_cache")]
}
