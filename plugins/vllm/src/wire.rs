//! Requests of vLLM's server: OpenAI's, with its extensions.

use inferbench_plugin_api::openai::{
    MODELS_PROBE, OpenAiWire, api_key_header, info_probe, models_request, with_headers,
};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes};

use crate::describe::VllmOptions;

/// Info probe of `GET /version`.
pub(crate) const VERSION_PROBE: &str = "version";
/// Info probe of the development mode's `GET /server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// The wire format that the options ask for.
///
/// # Errors
/// If the API key is not in the environment.
pub(crate) fn wire(options: &VllmOptions) -> Result<OpenAiWire, PluginError> {
    let key = api_key_header(options.api_key_env.as_deref())?;
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        headers: key.into_iter().collect(),
        extra_body: options.extra_body.clone(),
        continuous_usage: true,
        forces_length: true,
    })
}

pub(crate) fn probes(headers: &[(String, String)]) -> Probes {
    let info = |name, path| info_probe(name, path, &[]);
    let probes = Probes {
        health: Some(ControlRequest::get("/health")),
        models: Some(models_request()),
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            info(MODELS_PROBE, "/v1/models"),
            info(VERSION_PROBE, "/version"),
            info(SERVER_INFO_PROBE, "/server_info?config_format=json"),
        ],
    };
    probes.with_headers(headers)
}

/// Exists only in the development mode, which a launch turns on.
pub(crate) fn reset(headers: &[(String, String)]) -> Vec<ControlRequest> {
    let request = ControlRequest::post("/reset_prefix_cache");
    vec![with_headers(request, headers)]
}
