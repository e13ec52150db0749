//! What a server does with a model, as far as its cache depends on it.

/// What a server does with a model, as far as the cache depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvOptions {
    /// Data type of the cache; that which the checkpoint asks for, else the model's
    /// own, if absent or `auto`.
    pub dtype: Option<String>,
    /// Whether the server takes a `kv_cache_scheme` of compressed-tensors where no
    /// type is set, as vLLM does and SGLang does not.
    pub takes_scheme: bool,
    /// Data type that the model runs in; that of its config if absent or `auto`.
    pub model_dtype: Option<String>,
    /// Data type of recurrent states; that of the config, else the model's, if absent.
    pub state_dtype: Option<String>,
    /// GPUs that each layer is split over, from 1.
    pub tensor_parallel: u32,
    /// Ranks that the layers are split over, from 1.
    pub pipeline_parallel: u32,
    /// GPUs of a tensor-parallel group that deal a sequence's tokens out among them,
    /// from 1.
    pub decode_context_parallel: u32,
    /// Groups that deal them out besides, each with GPUs of its own, from 1.
    pub prefill_context_parallel: u32,
    /// GPUs of a tensor-parallel group that share the heads no further: SGLang's
    /// attention context parallelism, from 1.
    pub attention_context_parallel: u32,
    /// Engines, or ranks of attention, with a cache each, from 1.
    pub data_parallel: u32,
    /// Whether these are parts of the tensor-parallel group, which splits the heads
    /// that much less.
    pub attention_data_parallel: bool,
    /// Tokens in one block, from 1.
    pub block_size: u32,
    /// Tokens in one engine step, which vLLM keeps beyond a window; absent: a
    /// window keeps its own tokens alone.
    pub batched_tokens: Option<u64>,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self {
            dtype: None,
            takes_scheme: true,
            model_dtype: None,
            state_dtype: None,
            tensor_parallel: 1,
            pipeline_parallel: 1,
            decode_context_parallel: 1,
            prefill_context_parallel: 1,
            attention_context_parallel: 1,
            data_parallel: 1,
            attention_data_parallel: false,
            block_size: 16,
            batched_tokens: None,
        }
    }
}
