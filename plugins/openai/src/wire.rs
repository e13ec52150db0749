//! From options to the wire.

use inferbench_plugin_api::openai::{Endpoint, OpenAiWire};
use inferbench_plugin_api::{PluginError, Wire};

use crate::describe::{OpenAiOptions, PlainPrompt};

/// The wire format that the options ask for.
///
/// # Errors
/// If they contradict each other, or the API key is not in the environment.
pub(crate) fn wire(options: &OpenAiOptions) -> Result<Box<dyn Wire>, PluginError> {
    if options.endpoint != Endpoint::Completions && options.prompt_form == PlainPrompt::TokenIds {
        let words = "options.prompt_form is `token_ids`, which only endpoint `completions` takes";
        return Err(PluginError::new(words));
    }
    if let Some(path) = options.health.as_deref().filter(|p| !p.starts_with('/')) {
        let words = format!("options.health is `{path}`, must begin with `/`");
        return Err(PluginError::new(words));
    }
    let key = options.api_key_env.as_deref();
    let mut wire = OpenAiWire {
        continuous_usage: options.continuous_usage,
        forces_length: options.ignore_eos,
        ..OpenAiWire::new(options.endpoint, key, &options.extra_body)?
    };
    let named = options.headers.iter();
    let named = named.map(|(name, value)| (name.clone(), value.clone()));
    wire.headers.splice(..0, named);
    Ok(Box::new(wire))
}
