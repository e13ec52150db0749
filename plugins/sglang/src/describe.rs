//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::{Api, Endpoint};
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Form of the prompt of `completions` and of the native API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PlainPrompt {
    /// Token ids, so that lengths are exact.
    #[default]
    TokenIds,
    /// Text, which the server tokenizes itself.
    Text,
}

/// Options of the `sglang` plugin. Those for the launch do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SglangOptions {
    /// API that requests go through: `openai` or `native` (`/generate`).
    /// Default `openai`.
    pub api: Api,
    /// Endpoint of OpenAI's API: `completions` (prompts as token ids), `chat`
    /// (prompts as messages, in the model's chat template) or `responses` (as
    /// `chat`; the length of answers cannot be forced there). Default
    /// `completions`, the only one for `native`.
    pub endpoint: Endpoint,
    /// Form of the prompt where it is no message: `token_ids` or `text`. Default
    /// `token_ids`. SGLang's own router (sgl-model-gateway) takes only `text` in
    /// `completions`.
    pub prompt_form: PlainPrompt,
    /// The server streams each piece once (`--incremental-streaming-output`)
    /// instead of the whole text so far. Default false. When attached, what the
    /// server says of itself counts instead, where it says it; it matters for
    /// `native` alone.
    pub incremental_streaming: bool,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none.
    pub api_key_env: Option<String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none.
    pub extra_body: Map<String, Value>,
    /// Program and leading arguments. Default
    /// `["python3", "-m", "sglang.launch_server"]` from the PATH.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Share of each GPU's memory for weights and KV cache, above 0 to 1.
    /// Default SGLang's. More memory means a larger KV cache.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mem_fraction_static: Option<f64>,
    /// GPUs that each layer is split over. Default SGLang's (1).
    #[schemars(range(min = 1))]
    pub tp_size: Option<u32>,
    /// Requests that run at once at most. Default SGLang's. A limit below the
    /// concurrency makes requests wait.
    #[schemars(range(min = 1))]
    pub max_running_requests: Option<u32>,
    /// Tokens of a prompt worked on in one step; -1 turns the cutting off.
    /// Default SGLang's.
    #[schemars(range(min = -1))]
    pub chunked_prefill_size: Option<i32>,
    /// Tokens that the KV cache holds. Default what memory allows.
    #[schemars(range(min = 1))]
    pub max_total_tokens: Option<u64>,
    /// Attention implementation, such as `flashinfer`, `fa3` or `torch_native`.
    /// Default SGLang's choice.
    pub attention_backend: Option<String>,
    /// Sampling kernels: `flashinfer` or `pytorch`. Default SGLang's choice.
    pub sampling_backend: Option<String>,
    /// Data type of the KV cache, such as `fp8_e5m2`. Default the model's.
    pub kv_cache_dtype: Option<String>,
    /// Way the weights are quantized, such as `awq` or `fp8`. Default what the
    /// model's config says.
    pub quantization: Option<String>,
    /// Do not reuse the KV cache of equal prompt prefixes. Default false.
    pub disable_radix_cache: bool,
    /// Device: `cuda`, `cpu`, `xpu` and others. Default what is found.
    pub device: Option<String>,
    /// Where defaults of sampling come from: `openai` for neutral ones, `model`
    /// for the model's own. Default `openai`, so that all backends sample alike.
    pub sampling_defaults: String,
}

impl Default for SglangOptions {
    fn default() -> Self {
        Self {
            api: Api::default(),
            endpoint: Endpoint::default(),
            prompt_form: PlainPrompt::default(),
            incremental_streaming: false,
            api_key_env: None,
            extra_body: Map::new(),
            command: None,
            extra_args: Vec::new(),
            mem_fraction_static: None,
            tp_size: None,
            max_running_requests: None,
            chunked_prefill_size: None,
            max_total_tokens: None,
            attention_backend: None,
            sampling_backend: None,
            kv_cache_dtype: None,
            quantization: None,
            disable_radix_cache: false,
            device: None,
            sampling_defaults: "openai".to_owned(),
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
            ..Capabilities::server(&["completions", "chat", "responses", "native"])
        },
        ..Description::with_options::<SglangOptions>(
            "sglang",
            env!("CARGO_PKG_VERSION"),
            "SGLang's server, through OpenAI's API or its own",
        )
    }
}
