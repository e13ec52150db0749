//! What the plugin reports about itself, and its options.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Python that is used where none is named.
pub(crate) const DEFAULT_PYTHON: &str = "python3";

/// Options of the `hf` plugin. All but `endpoint` do nothing when attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HfOptions {
    /// Endpoint that requests go to: `completions` (prompts as token ids) or
    /// `chat` (prompts as messages, in the model's chat template). Default
    /// `completions`.
    pub endpoint: Endpoint,
    /// Python with torch and transformers. Default `python3` from the PATH. With
    /// the backend's `version`: the Python of the environment that is made.
    pub python: String,
    /// Program and leading arguments in place of `python`; the server's script
    /// follows. Default none.
    pub command: Option<Vec<String>>,
    /// Arguments after all others, where they win. Default none.
    pub extra_args: Vec<String>,
    /// Device: `auto`, `cpu`, `cuda` or `cuda:N`. Default `auto`: a GPU if torch
    /// finds one.
    pub device: String,
    /// Where layers go, for a model that does not fit one GPU: `auto`, `balanced`,
    /// `balanced_low_0` or `sequential`. Default none: all on `device`. Needs
    /// accelerate.
    pub device_map: Option<String>,
    /// Way the weights are quantized while they are read: `bnb-4bit` or `bnb-8bit`.
    /// Default none. Needs accelerate and bitsandbytes.
    pub quantization: Option<String>,
    /// Attention implementation, such as `sdpa`, `eager` or `flash_attention_2`.
    /// Default transformers' choice.
    pub attn_implementation: Option<String>,
    /// Run code that comes with the model. Default false.
    pub trust_remote_code: bool,
}

impl Default for HfOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            python: DEFAULT_PYTHON.to_owned(),
            command: None,
            extra_args: Vec::new(),
            device: "auto".to_owned(),
            device_map: None,
            quantization: None,
            attn_implementation: None,
            trust_remote_code: false,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            exposes_metrics: true,
            accepts_token_ids: true,
            can_force_output_length: true,
            one_request_at_a_time: true,
            ..Capabilities::server(&["completions", "chat"])
        },
        ..Description::with_options::<HfOptions>(
            "hf",
            env!("CARGO_PKG_VERSION"),
            "transformers' own `generate`, one request at a time: the plain baseline",
        )
    }
}
