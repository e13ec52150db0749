//! What the plugin reports about itself, and its options: the server's knobs.

use inferbench_plugin_api::openai::Endpoint;
use inferbench_plugin_api::{Capabilities, Description, IdSpan, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Size of the server's vocabulary unless asked otherwise, which prompts are
/// drawn from.
const VOCABULARY: u32 = 32_000;

/// How sequences share the simulated engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Scheduler {
    /// Sequences join and leave the batch at every step.
    Continuous,
    /// One request at a time, first come first served.
    Sequential,
}

impl Scheduler {
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Sequential => "sequential",
        }
    }
}

/// How the server waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Spin {
    /// It sleeps until something is due.
    None,
    /// It never sleeps: wakes sooner, keeps one core busy.
    Busy,
}

impl Spin {
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Busy => "busy",
        }
    }
}

/// Options of the `sim` plugin. All but `endpoint` do nothing when attached.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimOptions {
    /// Endpoint that requests go to: `completions` (prompts as token ids), `chat` or
    /// `responses` (prompts as messages). Default `completions`.
    pub endpoint: Endpoint,
    /// Program and leading arguments. Default `inferbench-sim`, found beside
    /// InferBench's own executable.
    pub command: Option<Vec<String>>,
    /// Arguments after all others. Default none.
    pub extra_args: Vec<String>,
    /// Seed of all answers. Default the run's.
    pub seed: Option<u64>,
    /// Token of each answer, from 1, from which on it differs from the one without
    /// this option, as rounding makes it. Default never.
    #[schemars(range(min = 1))]
    pub parts_at_token: Option<u32>,
    /// Size of the vocabulary, tokens. Default 32,000; prompts use ids below
    /// 32,000, so it cannot be less.
    #[schemars(range(min = 32000))]
    pub vocab_size: Option<u32>,
    /// Mean length of an answer whose length is not forced, tokens (geometric);
    /// 0: only the asked length ends it. Default 256.
    pub mean_output_tokens: Option<u32>,
    /// How sequences share the engine: `continuous` (batching) or `sequential`.
    /// Default `continuous`.
    pub scheduler: Option<Scheduler>,
    /// Sequences that run at once at most. Default 256. Above it requests wait.
    #[schemars(range(min = 1))]
    pub max_num_seqs: Option<u32>,
    /// Prompt tokens worked on in one step at most. Default 8192.
    #[schemars(range(min = 1))]
    pub max_batched_tokens: Option<u32>,
    /// Time of any step, microseconds. Default 5000.
    #[schemars(range(min = 0.0))]
    pub step_base_us: Option<f64>,
    /// Time that each running sequence adds to a step, microseconds. Default 50.
    #[schemars(range(min = 0.0))]
    pub step_per_seq_us: Option<f64>,
    /// Time that each prompt token adds to a step, microseconds. Default 20.
    #[schemars(range(min = 0.0))]
    pub prefill_us_per_token: Option<f64>,
    /// Fixed pacing: time to the first token whatever the load, ms. Default
    /// none; needs `fixed_itl_ms`.
    #[schemars(range(min = 0.0))]
    pub fixed_ttft_ms: Option<f64>,
    /// Fixed pacing: gap between tokens, ms; 0: as fast as the socket takes
    /// them. Default none; needs `fixed_ttft_ms`.
    #[schemars(range(min = 0.0))]
    pub fixed_itl_ms: Option<f64>,
    /// Fixed pacing: tokens that are due together, with the first of them. Default 1;
    /// needs `fixed_itl_ms`.
    #[schemars(range(min = 1))]
    pub fixed_burst: Option<u32>,
    /// Blocks of the KV cache. Default 8192. Fewer make requests wait and be
    /// preempted.
    #[schemars(range(min = 1))]
    pub kv_blocks: Option<u32>,
    /// Tokens in one block. Default 16.
    #[schemars(range(min = 1))]
    pub block_size: Option<u32>,
    /// Reuse the blocks of equal prompt prefixes. Default false; not with fixed
    /// pacing.
    pub prefix_caching: bool,
    /// Tokens in one stream event. Default 1.
    #[schemars(range(min = 1))]
    pub tokens_per_event: Option<u32>,
    /// Time for which every request is answered 503 after the start, s. Default 0.
    #[schemars(range(min = 0.0))]
    pub load_seconds: Option<f64>,
    /// File that the server writes what it did to, as JSON lines, when it is
    /// stopped. Default none.
    pub truth_file: Option<String>,
    /// Faults, each `KIND[:key=value,...]`, such as `http-503:every=10` or
    /// `cut:after=3,request=2`. Default none. `inferbench-sim --help` lists them.
    pub faults: Vec<String>,
    /// Crash after answering so many requests. Default never.
    #[schemars(range(min = 1))]
    pub exit_after_requests: Option<u64>,
    /// Go on after SIGTERM. Default false.
    pub ignore_sigterm: bool,
    /// Pause the whole server once in so many ms. Default never; needs `pause_ms`.
    #[schemars(range(min = 1))]
    pub pause_every_ms: Option<u64>,
    /// Length of each pause, ms. Default none; needs `pause_every_ms`.
    pub pause_ms: Option<u64>,
    /// How the server waits: `none` sleeps, `busy` never does, which wakes
    /// sooner and keeps one core busy. Default `none`.
    pub spin: Option<Spin>,
}

impl SimOptions {
    /// Checks what no single option can.
    ///
    /// # Errors
    /// If one of a pair is missing, or two exclude each other.
    pub(crate) fn check(&self) -> Result<(), PluginError> {
        let pairs = [
            (
                "fixed_ttft_ms",
                self.fixed_ttft_ms.is_some(),
                "fixed_itl_ms",
                self.fixed_itl_ms.is_some(),
            ),
            (
                "pause_every_ms",
                self.pause_every_ms.is_some(),
                "pause_ms",
                self.pause_ms.is_some(),
            ),
        ];
        for (one, has_one, other, has_other) in pairs {
            let (set, missing) = if has_one { (one, other) } else { (other, one) };
            if has_one != has_other {
                let words = format!("options.{set} is set without options.{missing}");
                return Err(PluginError::new(words));
            }
        }
        if self.fixed_burst.is_some() && self.fixed_itl_ms.is_none() {
            let words = "options.fixed_burst is set, needs options.fixed_itl_ms";
            return Err(PluginError::new(words));
        }
        if self.prefix_caching && self.fixed_ttft_ms.is_some() {
            let words = "options.prefix_caching is true, must be false with options.fixed_ttft_ms";
            return Err(PluginError::new(words));
        }
        Ok(())
    }
}

pub(crate) fn description() -> Description {
    Description {
        simulated: true,
        capabilities: Capabilities {
            can_reset_prefix_cache: true,
            exposes_metrics: true,
            accepts_token_ids: true,
            can_force_output_length: true,
            ..Capabilities::server(&["completions", "chat", "responses"])
        },
        token_ids: Some(IdSpan {
            lo: 0,
            hi: VOCABULARY,
        }),
        ..Description::with_options::<SimOptions>(
            "sim",
            env!("CARGO_PKG_VERSION"),
            "a simulated engine behind real sockets: runs no model",
        )
    }
}
