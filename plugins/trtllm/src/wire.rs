//! Requests of `trtllm-serve`: OpenAI's, with vLLM's extensions.

use inferbench_plugin_api::openai::{OpenAiWire, models_probe};
use inferbench_plugin_api::{ControlRequest, InfoProbe, PluginError, Probes, Wire};

use crate::describe::TrtLlmOptions;

/// Info probe of `GET /version`.
pub(crate) const VERSION_PROBE: &str = "version";

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has, or the API key is not in the
/// environment.
pub(crate) fn wire(options: &TrtLlmOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    let key = options.api_key_env.as_deref();
    Ok(Box::new(OpenAiWire {
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::new(endpoint, key, &options.extra_body)?
    }))
}

pub(crate) fn probes() -> Probes {
    Probes {
        health: Some(ControlRequest::get("/health")),
        // It serves a folder under its last part, and answers to any name.
        models: None,
        // What `/metrics` gives is JSON, and taken away by whoever reads it.
        metrics: Some(ControlRequest::get("/prometheus/metrics")),
        info: vec![models_probe(), InfoProbe::get(VERSION_PROBE, "/version")],
    }
}
