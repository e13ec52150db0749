//! What a server does with a model, as far as its cache depends on it.

/// What a server does with a model, as far as the cache depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvOptions {
    /// Data type of the cache; the model's own if absent or `auto`.
    pub dtype: Option<String>,
    /// Data type that the model runs in; that of its config if absent or `auto`.
    pub model_dtype: Option<String>,
    /// Data type of recurrent states; that of the config, else the model's, if absent.
    pub state_dtype: Option<String>,
    /// GPUs that each layer is split over, from 1.
    pub tensor_parallel: u32,
    /// Ranks that the layers are split over, from 1.
    pub pipeline_parallel: u32,
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
            model_dtype: None,
            state_dtype: None,
            tensor_parallel: 1,
            pipeline_parallel: 1,
            block_size: 16,
            batched_tokens: None,
        }
    }
}
