//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `vllm` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VllmOptions {
    /// Endpoint that requests go to: `completions` (prompts as token ids), `chat`
    /// (prompts as messages, in the model's chat template) or `responses` (as
    /// `chat`). Default `completions`.
    pub endpoint: Endpoint,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["vllm", "serve"]` from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Share of each GPU's memory that vLLM may use, above 0 to 1. Default
    /// vLLM's (0.92). More memory means a larger KV cache.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gpu_memory_utilization: Option<f64>,
    /// GPUs that each layer is split over. Default vLLM's (1).
    #[schemars(range(min = 1))]
    pub tensor_parallel_size: Option<u32>,
    /// Requests in one batch at most. Default vLLM's. A limit below the
    /// concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub max_num_seqs: Option<u32>,
    /// Tokens in one engine step at most. Default vLLM's. More speeds long
    /// prompts up and delays running answers.
    #[schemars(range(min = 1))]
    pub max_num_batched_tokens: Option<u32>,
    /// Run without CUDA graphs and compilation. Default false. Starts sooner,
    /// generates slower.
    pub enforce_eager: bool,
    /// Reuse the KV cache of equal prompt prefixes. Default vLLM's (on for most
    /// models).
    pub enable_prefix_caching: Option<bool>,
    /// Data type of the KV cache, such as `fp8`. Default the model's.
    pub kv_cache_dtype: Option<String>,
    /// Way the weights are quantized, such as `awq` or `fp8`. Default what the
    /// model's config says.
    pub quantization: Option<String>,
    /// Attention implementation, such as `FLASH_ATTN` or `FLASHINFER`. Default
    /// vLLM's choice.
    pub attention_backend: Option<String>,
    /// Where defaults of sampling come from: `vllm` for neutral ones, `auto` for
    /// the model's own. Default `vllm`, so that all backends sample alike.
    pub generation_config: String,
}

impl Default for VllmOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            api_key_env: None,
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            gpu_memory_utilization: None,
            tensor_parallel_size: None,
            max_num_seqs: None,
            max_num_batched_tokens: None,
            enforce_eager: false,
            enable_prefix_caching: None,
            kv_cache_dtype: None,
            quantization: None,
            attention_backend: None,
            generation_config: "vllm".to_owned(),
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
            ..Capabilities::server(&["completions", "chat", "responses"])
        },
        ..Description::with_options::<VllmOptions>(
            "vllm",
            env!("CARGO_PKG_VERSION"),
            "vLLM's OpenAI-compatible server, `vllm serve`",
        )
    }
}
