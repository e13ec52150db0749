//! Requests of `transformers serve`: OpenAI's, with a generation config inside.

use inferbench_plugin_api::openai::{self, Endpoint, MODELS_PROBE, OpenAiWire, info_probe};
use inferbench_plugin_api::{HttpRequest, PluginError, Probes, RequestSpec};
use serde_json::{Value, json};

use crate::describe::TransformersServeOptions;

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has.
pub(crate) fn wire(options: &TransformersServeOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint == Endpoint::Responses {
        let words = "options.endpoint is `responses`, must be `completions` or `chat`";
        return Err(PluginError::new(words));
    }
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        extra_body: options.extra_body.clone(),
        // It refuses fields that it does not know; lengths are forced otherwise.
        forces_length: false,
        ..OpenAiWire::default()
    })
}

/// The HTTP request for one request. A forced length comes with a generation config of
/// its own, in place of the model's: without a token that ends the answer.
///
/// # Errors
/// If the prompt has a form that the endpoint does not take.
pub(crate) fn encode(wire: &OpenAiWire, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
    let mut request = request.clone();
    let fields = &mut request.extra_body;
    // Usage comes with the end of each answer, asked or not.
    fields.entry("stream_options").or_insert(Value::Null);
    if request.force_output {
        let is_random = request.temperature.is_some_and(|t| t > 0.0);
        let config = json!({"max_new_tokens": request.output_tokens, "do_sample": is_random});
        // It wants the config as a text.
        let config = || Value::String(config.to_string());
        fields.entry("generation_config").or_insert_with(config);
    }
    wire.encode(&request)
}

pub(crate) fn probes() -> Probes {
    Probes {
        info: vec![info_probe(MODELS_PROBE, "/v1/models", &[])],
        ..openai::probes("/health")
    }
}
