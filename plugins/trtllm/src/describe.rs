//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `trtllm` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrtLlmOptions {
    /// Endpoint that requests go to: `completions` (prompts as token ids) or `chat`
    /// (prompts as messages, in the model's chat template). Default `completions`.
    pub endpoint: Endpoint,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["trtllm-serve"]` from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Engine: `pytorch`, `tensorrt` or `_autodeploy`. Default TensorRT-LLM's
    /// (`pytorch`).
    pub backend: Option<String>,
    /// GPUs that each layer is split over. Default TensorRT-LLM's (1).
    #[schemars(range(min = 1))]
    pub tp_size: Option<u32>,
    /// Groups of layers, each on GPUs of its own. Default TensorRT-LLM's (1).
    #[schemars(range(min = 1))]
    pub pp_size: Option<u32>,
    /// GPUs that the experts of a layer are divided among. Default TensorRT-LLM's.
    #[schemars(range(min = 1))]
    pub ep_size: Option<u32>,
    /// Requests that are scheduled at once at most. Default TensorRT-LLM's. A limit
    /// below the concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub max_batch_size: Option<u32>,
    /// Tokens in one engine step at most. Default TensorRT-LLM's.
    #[schemars(range(min = 1))]
    pub max_num_tokens: Option<u32>,
    /// Share of the GPU memory that weights leave, for the KV cache, above 0 to 1.
    /// Default TensorRT-LLM's (0.9).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub kv_cache_free_gpu_memory_fraction: Option<f64>,
    /// Cut long prompts into parts. Default false.
    pub enable_chunked_prefill: bool,
    /// Run code that comes with the model. Default false.
    pub trust_remote_code: bool,
    /// Settings of TensorRT-LLM that have no flag (`--extra_llm_api_options`), such as
    /// `{kv_cache_config: {enable_block_reuse: false}}`. Default those that turn
    /// metrics on.
    pub llm_api_options: Map<String, Value>,
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            exposes_metrics: true,
            accepts_token_ids: true,
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat"])
        },
        ..Description::with_options::<TrtLlmOptions>(
            "trtllm",
            env!("CARGO_PKG_VERSION"),
            "TensorRT-LLM's OpenAI-compatible server, `trtllm-serve`",
        )
    }
}
