//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::{Api, Endpoint};
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `ollama` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OllamaOptions {
    /// API that requests go through: `native` (`/api/generate`, `/api/chat`) or
    /// `openai`. Default `native`.
    pub api: Api,
    /// Kind of request: `completions` (prompts as text) or `chat` (prompts as
    /// messages). Default `completions`, which sends the prompt as it is where the API
    /// is native, and in the model's template where it is OpenAI's.
    pub endpoint: Endpoint,
    /// Fields put into every request body last; `null` takes a field away. Default
    /// none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["ollama", "serve"]` from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others. Default none.
    pub extra_args: Vec<String>,
    /// Requests that are answered at a time (`OLLAMA_NUM_PARALLEL`). Default Ollama's.
    /// A limit below the concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub num_parallel: Option<u32>,
    /// Use flash attention (`OLLAMA_FLASH_ATTENTION`). Default Ollama's choice.
    pub flash_attention: Option<bool>,
    /// Data type of the KV cache, such as `f16` or `q8_0` (`OLLAMA_KV_CACHE_TYPE`).
    /// Default Ollama's (`f16`).
    pub kv_cache_type: Option<String>,
}

impl Default for OllamaOptions {
    fn default() -> Self {
        Self {
            api: Api::Native,
            endpoint: Endpoint::default(),
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            num_parallel: None,
            flash_attention: None,
            kv_cache_type: None,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities::server(&["completions", "chat", "native"]),
        ..Description::with_options::<OllamaOptions>(
            "ollama",
            env!("CARGO_PKG_VERSION"),
            "Ollama's server, through its own API or OpenAI's",
        )
    }
}
