//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `lmdeploy` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LmDeployOptions {
    /// Endpoint that requests go to: `completions` (prompts as text) or `chat` (prompts
    /// as messages, in the model's chat template). Default `completions`.
    pub endpoint: Endpoint,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["lmdeploy", "serve", "api_server"]`
    /// from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Engine: `turbomind` or `pytorch`. Default LMDeploy's choice.
    pub backend: Option<String>,
    /// GPUs that each layer is split over. Default LMDeploy's (1).
    #[schemars(range(min = 1))]
    pub tp: Option<u32>,
    /// Requests in one batch at most. Default LMDeploy's. A limit below the
    /// concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub max_batch_size: Option<u32>,
    /// Share of the free GPU memory for the KV cache, above 0 to 1. Default
    /// LMDeploy's (0.8).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cache_max_entry_count: Option<f64>,
    /// Tokens of one block of the KV cache. Default LMDeploy's (64).
    #[schemars(range(min = 1))]
    pub cache_block_seq_len: Option<u32>,
    /// Reuse the KV cache of equal prompt prefixes. Default false.
    pub enable_prefix_caching: bool,
    /// Prompt tokens in one step at most. Default LMDeploy's (8192).
    #[schemars(range(min = 1))]
    pub max_prefill_token_num: Option<u32>,
    /// Bits of the KV cache's elements, 4 or 8; 0 for the model's own type. Default
    /// LMDeploy's (0).
    pub quant_policy: Option<u32>,
    /// Form of the weights, such as `hf`, `awq` or `gptq`. Default what the model's
    /// config says.
    pub model_format: Option<String>,
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            exposes_metrics: true,
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat"])
        },
        ..Description::with_options::<LmDeployOptions>(
            "lmdeploy",
            env!("CARGO_PKG_VERSION"),
            "LMDeploy's OpenAI-compatible server, `lmdeploy serve api_server`",
        )
    }
}
