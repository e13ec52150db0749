//! Requests of Text Generation Inference, in either API.

use inferbench_plugin_api::openai::{Api, Endpoint, OpenAiWire};
use inferbench_plugin_api::{ControlRequest, InfoProbe, PluginError, Probes, Wire};

use crate::describe::TgiOptions;
use crate::native::NativeWire;

/// Info probe of `GET /info`.
pub(crate) const INFO_PROBE: &str = "info";

/// The wire format that the options ask for.
///
/// # Errors
/// If the API has no such endpoint, or the API key is not in the environment.
pub(crate) fn wire(options: &TgiOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    let key = options.api_key_env.as_deref();
    let openai = OpenAiWire::new(endpoint, key, &options.extra_body)?;
    match (options.api, endpoint) {
        (Api::Openai, _) => Ok(Box::new(openai)),
        (Api::Native, Endpoint::Chat) => Err(PluginError::new(
            "options.endpoint is `chat`, must be `completions` where api is `native`",
        )),
        (Api::Native, _) => Ok(Box::new(NativeWire {
            headers: openai.headers,
            extra_body: openai.extra_body,
        })),
    }
}

pub(crate) fn probes() -> Probes {
    Probes {
        health: Some(ControlRequest::get("/health")),
        // It serves one model, whatever name a request has.
        models: None,
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![InfoProbe::get(INFO_PROBE, "/info")],
    }
}
