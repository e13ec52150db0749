//! Requests of llama.cpp's server: OpenAI's, with its extensions.

use inferbench_plugin_api::openai::{
    Endpoint, MODELS_PROBE, OpenAiWire, api_key_header, info_probe, models_request, with_headers,
};
use inferbench_plugin_api::{ControlRequest, PluginError, Probes};

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
pub(crate) fn wire(options: &LlamaCppOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint == Endpoint::Responses {
        let words = "options.endpoint is `responses`, must be `completions` or `chat`";
        return Err(PluginError::new(words));
    }
    let key = api_key_header(options.api_key_env.as_deref())?;
    let mut extra_body = serde_json::Map::new();
    if options.timings_per_token {
        extra_body.insert("timings_per_token".to_owned(), true.into());
    }
    extra_body.extend(options.extra_body.clone());
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        headers: key.into_iter().collect(),
        extra_body,
        continuous_usage: false,
        forces_length: true,
    })
}

pub(crate) fn probes(headers: &[(String, String)]) -> Probes {
    let probes = Probes {
        // 503 while the model loads.
        health: Some(ControlRequest::get("/health")),
        models: Some(models_request()),
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            info_probe(MODELS_PROBE, "/v1/models", &[]),
            info_probe(PROPS_PROBE, "/props", &[]),
        ],
    };
    probes.with_headers(headers)
}

/// Each slot is emptied on its own.
pub(crate) fn reset(slots: u32, headers: &[(String, String)]) -> Vec<ControlRequest> {
    let erase = |slot| ControlRequest::post(&format!("/slots/{slot}?action=erase"));
    let each = (0..slots.min(MOST_SLOTS)).map(erase);
    each.map(|request| with_headers(request, headers)).collect()
}
