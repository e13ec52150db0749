//! Requests of `trtllm-serve`: OpenAI's, with vLLM's extensions.

use inferbench_plugin_api::openai::{
    Endpoint, MODELS_PROBE, OpenAiWire, api_key_header, info_probe,
};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes};

use crate::describe::TrtLlmOptions;

/// Info probe of `GET /version`.
pub(crate) const VERSION_PROBE: &str = "version";

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has, or the API key is not in the
/// environment.
pub(crate) fn wire(options: &TrtLlmOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint == Endpoint::Responses {
        let words = "options.endpoint is `responses`, must be `completions` or `chat`";
        return Err(PluginError::new(words));
    }
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
    let probes = Probes {
        health: Some(ControlRequest::get("/health")),
        // It serves a folder under its last part, and answers to any name.
        models: None,
        // What `/metrics` gives is JSON, and taken away by whoever reads it.
        metrics: Some(ControlRequest::get("/prometheus/metrics")),
        info: vec![
            info_probe(MODELS_PROBE, "/v1/models", &[]),
            info_probe(VERSION_PROBE, "/version", &[]),
        ],
    };
    probes.with_headers(headers)
}
