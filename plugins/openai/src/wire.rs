//! From options to the wire.

use inferbench_plugin_api::PluginError;
use inferbench_plugin_api::openai::{Endpoint, OpenAiWire, api_key_header};

use crate::describe::{OpenAiOptions, PlainPrompt};

/// The wire format that the options ask for.
///
/// # Errors
/// If they contradict each other, or the API key is not in the environment.
pub(crate) fn wire(options: &OpenAiOptions) -> Result<OpenAiWire, PluginError> {
    if options.endpoint != Endpoint::Completions && options.prompt_form == PlainPrompt::TokenIds {
        let words = "options.prompt_form is `token_ids`, which only endpoint `completions` takes";
        return Err(PluginError::new(words));
    }
    if let Some(path) = options.health.as_deref().filter(|p| !p.starts_with('/')) {
        let words = format!("options.health is `{path}`, must begin with `/`");
        return Err(PluginError::new(words));
    }
    let named = options.headers.iter();
    let mut headers: Vec<(String, String)> = named
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.extend(api_key_header(options.api_key_env.as_deref())?);
    Ok(OpenAiWire {
        endpoint: options.endpoint,
        headers,
        extra_body: options.extra_body.clone(),
        continuous_usage: options.continuous_usage,
        forces_length: options.ignore_eos,
    })
}
