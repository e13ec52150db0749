//! What the plugin reports about itself, and its options.

use std::collections::BTreeMap;

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Form of the prompt of `/v1/completions`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PlainPrompt {
    /// Text, which every server takes and tokenizes itself.
    #[default]
    Text,
    /// Token ids, so that lengths are exact (vLLM, SGLang, llama.cpp).
    TokenIds,
}

/// Options of the `openai` plugin.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiOptions {
    /// Endpoint that requests go to: `completions`, `chat` or `responses`. Default
    /// `completions`, which sends the prompt as it is.
    pub endpoint: Endpoint,
    /// Form of the prompt of `completions`: `text` or `token_ids`. Default
    /// `text`. With `token_ids` prompt lengths are exact where the server takes them.
    pub prompt_form: PlainPrompt,
    /// Name of the environment variable that holds the API key, sent as
    /// `Authorization: Bearer KEY`. Default none. The key is never written down.
    pub api_key_env: Option<String>,
    /// Headers added to every request. Default none. Those named like secrets
    /// are masked wherever they are written; keys belong into `api_key_env`.
    pub headers: BTreeMap<String, String>,
    /// Fields put into every request body last; `null` takes a field away.
    /// Default none. For what a server needs beside the usual, such as
    /// `max_completion_tokens`.
    pub extra_body: Map<String, Value>,
    /// Path that answers 200 when the server is up, such as `/health`. Default
    /// none: readiness is a real request.
    pub health: Option<String>,
    /// Ask for the running token count in every chunk
    /// (`stream_options.continuous_usage_stats`). Default false: only vLLM and
    /// SGLang know it, and some servers refuse it.
    pub continuous_usage: bool,
    /// Force the length of answers with `ignore_eos` and `min_tokens` when the
    /// workload forces it; with `endpoint: responses`, `ignore_eos` alone, and send
    /// `seed` there. Default true. Set it to false for a server that refuses these
    /// fields; answers may then be shorter.
    pub ignore_eos: bool,
    /// Program and arguments that start the server; without it the server must
    /// be attached to. Default none. `{model}`, `{host}`, `{port}`,
    /// `{served_name}`, `{seed}`, `{dtype}` and `{max_model_len}` are filled
    /// in; `{port}` must occur.
    pub command: Option<Vec<String>>,
    /// Arguments after those of `command`, with the same fields filled in.
    /// Default none.
    pub extra_args: Vec<String>,
    /// Python package that the first part of `command` is a program of, for the
    /// backend's `version`, such as `{name: lmdeploy}`. Default none.
    pub package: Option<PackageOption>,
}

/// A Python package that holds a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct PackageOption {
    /// Name on the package index, with extras if it needs them:
    /// `llama-cpp-python[server]`.
    pub name: String,
    /// What is installed beside it, as requirements such as `torch>=2.8`.
    /// Default none.
    #[serde(default)]
    pub with: Vec<String>,
}

impl Default for OpenAiOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            prompt_form: PlainPrompt::default(),
            api_key_env: None,
            headers: BTreeMap::new(),
            extra_body: Map::new(),
            health: None,
            continuous_usage: false,
            ignore_eos: true,
            command: None,
            extra_args: Vec::new(),
            package: None,
        }
    }
}

pub(crate) fn description() -> Description {
    Description {
        capabilities: Capabilities {
            exposes_metrics: false,
            accepts_token_ids: true,
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat", "responses"])
        },
        ..Description::with_options::<OpenAiOptions>(
            "openai",
            env!("CARGO_PKG_VERSION"),
            "any server that speaks OpenAI's completions, chat or responses API",
        )
    }
}
