//! Requests of Ollama, in either API.

use inferbench_plugin_api::openai::{self, Api, OpenAiWire};
use inferbench_plugin_api::{InfoProbe, PluginError, Probes, Wire};

use crate::describe::OllamaOptions;
use crate::native::NativeWire;

/// Info probe of `GET /api/version`.
pub(crate) const VERSION_PROBE: &str = "version";
/// Info probe of `GET /api/ps`: the models that are loaded.
pub(crate) const LOADED_PROBE: &str = "ps";

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has.
pub(crate) fn wire(options: &OllamaOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    let openai = OpenAiWire::new(endpoint, None, &options.extra_body)?;
    Ok(match options.api {
        Api::Openai => Box::new(openai),
        Api::Native => Box::new(NativeWire(openai)),
    })
}

pub(crate) fn probes() -> Probes {
    Probes {
        info: vec![
            InfoProbe::get(VERSION_PROBE, "/api/version"),
            InfoProbe::get(LOADED_PROBE, "/api/ps"),
        ],
        ..openai::probes("/api/version")
    }
}
