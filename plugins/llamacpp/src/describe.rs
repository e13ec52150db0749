//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Slots where the config sets none: what llama-server takes by itself.
const DEFAULT_PARALLEL: u32 = 4;

/// Options of the `llamacpp` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LlamaCppOptions {
    /// Endpoint that requests go to: `completions` (prompts as token ids) or `chat`
    /// (prompts as messages, in the model's chat template). Default `completions`.
    pub endpoint: Endpoint,
    /// Ask for timings with every token, and with them for the running token count.
    /// Default true. Without it tokens are counted at the end of the answer alone.
    pub timings_per_token: bool,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["llama-server"]` from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// GGUF file, or hub id such as `org/model-GGUF:Q4_K_M`, that is served where
    /// `model.id` names the same model for other backends. Default `model.id`.
    pub gguf: Option<String>,
    /// Requests that are answered at a time (slots). Default 4. Slots share the
    /// KV cache in equal parts; a limit below the concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub parallel: u32,
    /// Tokens of the KV cache, all slots together. Default `model.max_model_len`
    /// for each slot; without it what the model was trained with.
    #[schemars(range(min = 1))]
    pub ctx_size: Option<u32>,
    /// Layers kept on the GPU: a number, `auto` or `all`. Default llama.cpp's
    /// (`auto`).
    pub gpu_layers: Option<String>,
    /// CPU threads that generate. Default llama.cpp's.
    #[schemars(range(min = 1))]
    pub threads: Option<u32>,
    /// Tokens of a prompt taken into one step (`--batch-size`). Default llama.cpp's
    /// (2048).
    #[schemars(range(min = 1))]
    pub batch_size: Option<u32>,
    /// Tokens computed at a time (`--ubatch-size`). Default llama.cpp's (512).
    #[schemars(range(min = 1))]
    pub ubatch_size: Option<u32>,
    /// Flash attention: `on`, `off` or `auto`. Default llama.cpp's (`auto`).
    pub flash_attn: Option<String>,
    /// Data type of the keys in the KV cache, such as `f16` or `q8_0`. Default
    /// llama.cpp's (`f16`).
    pub cache_type_k: Option<String>,
    /// Data type of the values in the KV cache. Default llama.cpp's (`f16`).
    pub cache_type_v: Option<String>,
    /// Reuse the KV cache of equal prompt prefixes in a slot. Default llama.cpp's
    /// (on).
    pub cache_prompt: Option<bool>,
    /// Host memory for prompts that have left their slot, MiB; -1 for no limit.
    /// Default 0, unlike llama.cpp's 8192: what is kept there cannot be dropped
    /// between levels.
    #[schemars(range(min = -1))]
    pub cache_ram_mib: i32,
}

impl Default for LlamaCppOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            timings_per_token: true,
            api_key_env: None,
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            gguf: None,
            parallel: DEFAULT_PARALLEL,
            ctx_size: None,
            gpu_layers: None,
            threads: None,
            batch_size: None,
            ubatch_size: None,
            flash_attn: None,
            cache_type_k: None,
            cache_type_v: None,
            cache_prompt: None,
            cache_ram_mib: 0,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            can_reset_prefix_cache: true,
            exposes_metrics: true,
            accepts_token_ids: true,
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat"])
        },
        ..Description::with_options::<LlamaCppOptions>(
            "llamacpp",
            env!("CARGO_PKG_VERSION"),
            "llama.cpp's server, `llama-server`, with GGUF models",
        )
    }
}
