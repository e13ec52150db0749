//! A backend that a plugin has opened, and what it said of how it is asked. The
//! plugin's library stays with the host; whom to ask is for the rooms above.

use std::sync::Arc;

use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{OpenContext, PluginError, Probes, PromptForm};
use serde_json::Value;

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
    /// Its options, as far as messages name them.
    pub options: NamedOptions,
}

/// Options of a backend that say what to change when its server refuses. What they
/// do is known to the plugin alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedOptions {
    /// `ignore_eos`, which leaves out what forces an answer's length.
    pub has_ignore_eos: bool,
    /// `health`, the path that is asked for before a run.
    pub has_health: bool,
    /// `endpoint`, which picks the path of requests.
    pub has_endpoint: bool,
    /// `api_key_env`, the name of the variable with the key.
    pub key: KeyOption,
}

/// Where a backend's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOption {
    /// The plugin has no such option.
    Missing,
    /// The config does not set it.
    Unset,
    /// From this variable.
    Variable(String),
}

impl NamedOptions {
    fn new(plugin: &Plugin, context: &OpenContext) -> Self {
        let schema = plugin.description.options_schema.get("properties");
        let has = |name: &str| schema.is_some_and(|all| all.get(name).is_some());
        let variable = context.options.get("api_key_env").and_then(Value::as_str);
        Self {
            has_ignore_eos: has("ignore_eos"),
            has_health: has("health"),
            has_endpoint: has("endpoint"),
            key: match variable {
                Some(name) => KeyOption::Variable(name.to_owned()),
                None if has("api_key_env") => KeyOption::Unset,
                None => KeyOption::Missing,
            },
        }
    }
}

impl OpenBackend {
    /// Opens the plugin's backend.
    ///
    /// # Errors
    /// What the plugin refuses, such as an option.
    pub fn open(plugin: &Plugin, context: &OpenContext) -> Result<Self, PluginError> {
        let client = BackendClient::open(plugin.module, &plugin.description.name, context)?;
        Ok(Self {
            options: NamedOptions::new(plugin, context),
            form: client.prompt_form()?,
            probes: client.probes()?,
            client: Arc::new(client),
        })
    }
}
