//! Flags of `kv-cache`: the model, the server's memory, and how it is split up.

use clap::Args as ClapArgs;
use inferbench_model::kv_cache::{KvOptions, parse_size};

/// Which model's KV cache is computed, and for which server.
#[derive(Debug, Clone, ClapArgs)]
pub struct KvCacheArgs {
    /// Folder with the model's config.json, or the id of a model in the HuggingFace cache.
    #[arg(value_name = "MODEL_DIR")]
    pub model: String,
    /// Memory of one GPU, such as 32GiB or 80GB; needed to compute what fits.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub gpu_memory: Option<u64>,
    /// Share of that memory that the server may use, above 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    pub utilization: f64,
    /// Memory per GPU for activations, graphs and the runtime.
    #[arg(long, value_name = "SIZE", default_value = "0B", value_parser = parse_size)]
    pub overhead: u64,
    /// Size of the model's weights, instead of the size of its files.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub weights: Option<u64>,
    /// Data type of the cache, such as fp8; default: what the checkpoint asks for, else
    /// the model's.
    #[arg(long, value_name = "DTYPE")]
    pub kv_dtype: Option<String>,
    /// Data type that the model runs in; default: that of its config.
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// Data type of recurrent states; default: that of the config, else the model's.
    #[arg(long, value_name = "DTYPE")]
    pub state_dtype: Option<String>,
    /// Tensor-parallel size: GPUs that each layer is split over.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub tp: u32,
    /// Pipeline-parallel size: GPUs that the layers are divided among.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub pp: u32,
    /// Decode-context-parallel size: GPUs of a tensor-parallel group that share a
    /// sequence's tokens among them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dcp: u32,
    /// Data-parallel size: engines, or ranks of attention, each with its own cache.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dp: u32,
    /// The data-parallel ranks are parts of the tensor-parallel group, so that each
    /// holds more of the heads.
    #[arg(long)]
    pub dp_attention: bool,
    /// Length of a sequence (prompt and answer), tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 8192,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub context: u64,
    /// Tokens per cache block.
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub block_size: u32,
    /// Tokens per engine step, which vLLM keeps in addition to a sliding window.
    #[arg(long, value_name = "TOKENS")]
    pub max_num_batched_tokens: Option<u64>,
    /// Also compute what this many concurrent sequences need.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub concurrency: Option<u64>,
}

impl KvCacheArgs {
    /// The options that the estimate depends on.
    #[must_use]
    pub fn options(&self) -> KvOptions {
        KvOptions {
            dtype: self.kv_dtype.clone(),
            model_dtype: self.dtype.clone(),
            state_dtype: self.state_dtype.clone(),
            tensor_parallel: self.tp,
            pipeline_parallel: self.pp,
            decode_context_parallel: self.dcp,
            data_parallel: self.dp,
            attention_data_parallel: self.dp_attention,
            block_size: self.block_size,
            batched_tokens: self.max_num_batched_tokens,
            ..KvOptions::default()
        }
    }
}
