//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::{Api, Endpoint};
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Options of the `tgi` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TgiOptions {
    /// API that requests go through: `native` (`/generate_stream`) or `openai`.
    /// Default `native`, which counts tokens as they come.
    pub api: Api,
    /// Endpoint of OpenAI's API: `completions` (prompts as text) or `chat` (prompts as
    /// messages, in the model's chat template). Default `completions`, the only one for
    /// `native`.
    pub endpoint: Endpoint,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away. Default
    /// none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default `["text-generation-launcher"]` from the
    /// PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// GPUs that each layer is split over. Default all.
    #[schemars(range(min = 1))]
    pub num_shard: Option<u32>,
    /// Way the weights are quantized, such as `awq`, `gptq` or `fp8`. Default what the
    /// model's config says.
    pub quantize: Option<String>,
    /// Data type of the KV cache, such as `fp8_e4m3fn`. Default the model's.
    pub kv_cache_dtype: Option<String>,
    /// Requests that are taken at once at most; more are refused. Default TGI's (128),
    /// or the highest concurrency of the run where that is more.
    #[schemars(range(min = 1))]
    pub max_concurrent_requests: Option<u32>,
    /// Prompt tokens in one step at most. Default TGI's.
    #[schemars(range(min = 1))]
    pub max_batch_prefill_tokens: Option<u32>,
    /// Tokens of all running requests together at most. Default what memory allows.
    #[schemars(range(min = 1))]
    pub max_batch_total_tokens: Option<u32>,
    /// Share of each GPU's memory that TGI may use, above 0 to 1. Default TGI's (1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cuda_memory_fraction: Option<f64>,
    /// Run code that comes with the model. Default false.
    pub trust_remote_code: bool,
}

impl Default for TgiOptions {
    fn default() -> Self {
        Self {
            api: Api::Native,
            endpoint: Endpoint::default(),
            api_key_env: None,
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            num_shard: None,
            quantize: None,
            kv_cache_dtype: None,
            max_concurrent_requests: None,
            max_batch_prefill_tokens: None,
            max_batch_total_tokens: None,
            cuda_memory_fraction: None,
            trust_remote_code: false,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            exposes_metrics: true,
            ..Capabilities::server(&["completions", "chat", "native"])
        },
        ..Description::with_options::<TgiOptions>(
            "tgi",
            env!("CARGO_PKG_VERSION"),
            "Text Generation Inference, through its own API or OpenAI's",
        )
    }
}
