//! Requests of LMDeploy's server: OpenAI's, with `ignore_eos`.

use inferbench_plugin_api::openai::{
    self, Endpoint, MODELS_PROBE, OpenAiWire, api_key_header, info_probe,
};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes};

use crate::describe::LmDeployOptions;

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has, or the API key is not in the
/// environment.
pub(crate) fn wire(options: &LmDeployOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint == Endpoint::Responses {
        let words = "options.endpoint is `responses`, must be `completions` or `chat`";
        return Err(PluginError::new(words));
    }
    let key = api_key_header(options.api_key_env.as_deref())?;
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        headers: key.into_iter().collect(),
        extra_body: options.extra_body.clone(),
        continuous_usage: false,
        forces_length: true,
    })
}

pub(crate) fn probes(headers: &[(String, String)]) -> Probes {
    let probes = Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![info_probe(MODELS_PROBE, "/v1/models", &[])],
        ..openai::probes("/health")
    };
    probes.with_headers(headers)
}
