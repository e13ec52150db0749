//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `transformers-serve` plugin. Those for the launch do nothing when
/// attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformersServeOptions {
    /// Endpoint that requests go to: `completions` (prompts as text) or `chat` (prompts
    /// as messages, in the model's chat template). Default `completions`.
    pub endpoint: Endpoint,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["transformers", "serve"]` from the
    /// PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Work on requests together, with a paged KV cache. Default true. Without it they
    /// are worked on one after the other.
    pub continuous_batching: bool,
    /// Device: `auto`, `cpu`, `cuda:N` and others. Default `auto`.
    pub device: Option<String>,
    /// Attention implementation, such as `sdpa` or `flash_attention_2`. Default
    /// transformers' choice.
    pub attn_implementation: Option<String>,
    /// Way the weights are quantized at the start: `bnb-4bit` or `bnb-8bit`. Default
    /// none.
    pub quantization: Option<String>,
    /// Compile the model (`torch.compile`). Default false. Starts later, generates
    /// faster.
    pub compile: bool,
    /// Run code that comes with the model. Default false.
    pub trust_remote_code: bool,
    /// Tokens of one block of the KV cache. Default transformers' choice.
    #[schemars(range(min = 1))]
    pub cb_block_size: Option<u32>,
    /// Blocks of the KV cache. Default what memory allows.
    #[schemars(range(min = 1))]
    pub cb_num_blocks: Option<u32>,
    /// Tokens in one step at most. Default transformers' choice.
    #[schemars(range(min = 1))]
    pub cb_max_batch_tokens: Option<u32>,
    /// Share of the GPU's memory for the KV cache, above 0 to 1. Default
    /// transformers' choice.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cb_max_memory_percent: Option<f64>,
}

impl Default for TransformersServeOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            continuous_batching: true,
            device: None,
            attn_implementation: None,
            quantization: None,
            compile: false,
            trust_remote_code: false,
            cb_block_size: None,
            cb_num_blocks: None,
            cb_max_batch_tokens: None,
            cb_max_memory_percent: None,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat"])
        },
        ..Description::with_options::<TransformersServeOptions>(
            "transformers-serve",
            env!("CARGO_PKG_VERSION"),
            "`transformers serve` with continuous batching",
        )
    }
}
