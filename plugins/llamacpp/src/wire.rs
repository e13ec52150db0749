//! Requests of llama.cpp's server: OpenAI's, with its extensions.

use inferbench_plugin_api::openai::{self, OpenAiWire, models_probe};
use inferbench_plugin_api::{ControlRequest, InfoProbe, PluginError, Probes, Wire};
use serde_json::Map;

use crate::describe::LlamaCppOptions;

/// Info probe of `GET /props`.
pub(crate) const PROPS_PROBE: &str = "props";

/// Slots that are emptied at most: what llama.cpp has at most (`LLAMA_MAX_SEQ`).
pub(crate) const MOST_SLOTS: u32 = 256;

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has, or the API key is not in the
/// environment.
pub(crate) fn wire(options: &LlamaCppOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    let key = options.api_key_env.as_deref();
    let mut extra_body = Map::new();
    if options.timings_per_token {
        extra_body.insert("timings_per_token".to_owned(), true.into());
    }
    extra_body.extend(options.extra_body.clone());
    Ok(Box::new(OpenAiWire {
        forces_length: true,
        ..OpenAiWire::new(endpoint, key, &extra_body)?
    }))
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![models_probe(), InfoProbe::get(PROPS_PROBE, "/props")],
        // 503 while the model loads.
        ..openai::probes("/health")
    }
}

/// Each slot is emptied on its own.
pub(crate) fn reset(slots: u32) -> Vec<ControlRequest> {
    let erase = |slot| ControlRequest::post(&format!("/slots/{slot}?action=erase"));
    (0..slots.min(MOST_SLOTS)).map(erase).collect()
}
