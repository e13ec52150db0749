//! A backend that a plugin has opened, and what it said of how it is asked. The
//! plugin's library stays with the host; whom to ask is for the rooms above.

use std::sync::Arc;

use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{OpenContext, PluginError, Probes, PromptForm};

use super::host::Plugin;

/// An open backend of a plugin.
#[derive(Debug, Clone)]
pub struct OpenBackend {
    /// Encodes requests and reads answers.
    pub client: Arc<BackendClient>,
    /// Where the server can be asked about itself.
    pub probes: Probes,
    /// The form in which it wants its prompts.
    pub form: PromptForm,
    /// It has an option of its own, `ignore_eos`, that leaves out what forces an
    /// answer's length.
    pub has_ignore_eos: bool,
}

impl OpenBackend {
    /// Opens the plugin's backend.
    ///
    /// # Errors
    /// What the plugin refuses, such as an option.
    pub fn open(plugin: &Plugin, context: &OpenContext) -> Result<Self, PluginError> {
        let client = BackendClient::open(plugin.module, &plugin.description.name, context)?;
        let options = plugin.description.options_schema.get("properties");
        Ok(Self {
            has_ignore_eos: options.is_some_and(|all| all.get("ignore_eos").is_some()),
            form: client.prompt_form()?,
            probes: client.probes()?,
            client: Arc::new(client),
        })
    }
}
