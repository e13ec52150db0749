//! Requests of LMDeploy's server: OpenAI's, with `ignore_eos`.

use inferbench_plugin_api::openai::{self, OpenAiWire};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes, Wire};

use crate::describe::LmDeployOptions;

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has, or the API key is not in the
/// environment.
pub(crate) fn wire(options: &LmDeployOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    let key = options.api_key_env.as_deref();
    Ok(Box::new(OpenAiWire {
        forces_length: true,
        ..OpenAiWire::new(endpoint, key, &options.extra_body)?
    }))
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        ..openai::usual_probes()
    }
}
