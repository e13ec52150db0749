//! Requests of `transformers serve`: OpenAI's, with a generation config inside.

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{Decoder, HttpRequest, PluginError, PromptForm, RequestSpec, Wire};
use serde_json::{Value, json};

use crate::describe::TransformersServeOptions;

/// The wire format that the options ask for.
///
/// # Errors
/// If the endpoint is none that this plugin has.
pub(crate) fn wire(options: &TransformersServeOptions) -> Result<Box<dyn Wire>, PluginError> {
    let endpoint = options.endpoint.without_responses()?;
    // It refuses fields that it does not know; lengths are forced otherwise.
    let openai = OpenAiWire::new(endpoint, None, &options.extra_body)?;
    Ok(Box::new(WithConfig(openai)))
}

/// OpenAI's requests, of which one of forced length has a generation config of its own, in
/// place of the model's: without a token that ends the answer.
#[derive(Debug)]
struct WithConfig(OpenAiWire);

impl Wire for WithConfig {
    fn prompt_form(&self, token_ids: bool) -> PromptForm {
        self.0.prompt_form(token_ids)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
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
        self.0.encode(&request)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(self.0.decoder())
    }
}
