//! The estimate as plain data: what one GPU keeps, term by term.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TermKind {
    /// Keys and values of layers that look at every token.
    Attention,
    /// One compressed vector per token (multi-head latent attention).
    Latent,
    /// Keys of the indexer that picks tokens for sparse attention.
    Indexer,
    /// Keys and values of layers that look at a window of the last tokens.
    SlidingWindow,
    /// Keys and values of layers that look at the tokens of one chunk.
    Chunked,
    /// Scales of a cache that is quantized per token and head.
    Scales,
    /// State of a state-space layer, the same for any length.
    StateSpace,
    /// State of a linear-attention layer, the same for any length.
    LinearAttention,
    /// Last inputs of a short convolution, the same for any length.
    Convolution,
    /// One vector for several tokens, key and value in one.
    Compressed,
    /// What a compressor keeps of tokens that it has not compressed yet, the same
    /// for any length.
    CompressorState,
}

/// Where the data type of a cache comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DtypeSource {
    /// The launch command, or the option of `kv-cache`.
    Option,
    /// `kv_cache_scheme` in the checkpoint's `config.json`.
    KvCacheScheme,
    /// ModelOpt's part of its `config.json`.
    QuantizationConfig,
    /// Its `hf_quant_config.json`.
    HfQuantConfig,
    /// The type that the model runs in.
    Model,
}

fn one() -> u64 {
    1
}

fn one_rank() -> u32 {
    1
}

/// One term: layers of one shape, and what they keep on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KvTerm {
    /// Its kind.
    pub kind: TermKind,
    /// Layers of this shape on the GPU.
    pub layers: u32,
    /// Bytes of one token in all these layers, rounded up where several share an
    /// entry; 0 for a state.
    pub bytes_per_token: u64,
    /// Bytes of one entry in all these layers; absent if it is that of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_entry: Option<u64>,
    /// Tokens that one entry stands for.
    #[serde(default = "one")]
    pub tokens_per_entry: u64,
    /// GPUs that a sequence's tokens are dealt out among.
    #[serde(default = "one")]
    pub context_ranks: u64,
    /// Bytes of one sequence of any length in all these layers; 0 unless a state.
    pub bytes_per_sequence: u64,
    /// Tokens of one sequence that are kept at most; absent if all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_tokens: Option<u64>,
    /// Blocks that each sequence takes beyond those its tokens fill.
    #[serde(default)]
    pub extra_blocks: u32,
    /// The arithmetic in numbers: `36 layers x 8 KV heads x (128 + 128) x 2 B`.
    pub formula: String,
}

impl KvTerm {
    /// Bytes that a sequence of `tokens` takes, in whole blocks of `block_size` tokens.
    #[must_use]
    pub fn sequence_bytes(&self, tokens: u64, block_size: u32) -> u64 {
        if self.bytes_per_token == 0 {
            return self.bytes_per_sequence;
        }
        let kept = self.cap_tokens.map_or(tokens, |cap| tokens.min(cap));
        let here = kept.div_ceil(self.context_ranks.max(1));
        let block = u64::from(block_size.max(1));
        let blocks = here.div_ceil(block) + u64::from(self.extra_blocks);
        let slots = blocks.saturating_mul(block);
        let entries = slots.div_ceil(self.tokens_per_entry.max(1));
        let bytes = entries.saturating_mul(self.bytes_per_entry.unwrap_or(self.bytes_per_token));
        bytes.saturating_add(self.bytes_per_sequence)
    }
}

/// What the cache of a model takes on one GPU: that of the pipeline rank that
/// needs the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KvEstimate {
    /// The model's `model_type`, that of its text part where it has one.
    pub model_type: String,
    /// Data type of the cache, such as `bfloat16` or `fp8`.
    pub dtype: String,
    /// Where that comes from; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype_source: Option<DtypeSource>,
    /// GPUs that each layer is split over.
    pub tensor_parallel: u32,
    /// Ranks that the layers are split over.
    pub pipeline_parallel: u32,
    /// GPUs that a sequence's tokens are dealt out among.
    #[serde(default = "one_rank")]
    pub context_parallel: u32,
    /// Engines, or ranks of attention, that have a cache each: requests are divided
    /// among them.
    #[serde(default = "one_rank")]
    pub data_parallel: u32,
    /// GPUs of all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// GPUs that the weights are split over, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_gpus: Option<u32>,
    /// Tokens in one block of the cache.
    pub block_size: u32,
    /// Bytes of one token on one GPU, while every layer still keeps it.
    pub bytes_per_token: u64,
    /// Bytes of one sequence on one GPU whatever its length: the states.
    pub bytes_per_sequence: u64,
    /// The terms that these are the sums of.
    pub terms: Vec<KvTerm>,
    /// Bytes of the weights as stored, of the whole model; absent if its folder
    /// does not have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_bytes: Option<u64>,
}

impl KvEstimate {
    /// GPUs of all engines together.
    #[must_use]
    pub fn gpus(&self) -> u32 {
        let of_one = self
            .tensor_parallel
            .max(1)
            .saturating_mul(self.pipeline_parallel.max(1));
        self.gpus.unwrap_or(of_one).max(1)
    }

    /// GPUs that the weights are split over, at most.
    #[must_use]
    pub fn weight_gpus(&self) -> u32 {
        let of_one = self
            .tensor_parallel
            .max(1)
            .saturating_mul(self.pipeline_parallel.max(1));
        self.weight_gpus.unwrap_or(of_one).max(1)
    }

    /// Of `sequences` at once, those of the rank that has the most.
    #[must_use]
    pub fn sequences_of_one_rank(&self, sequences: u64) -> u64 {
        sequences.div_ceil(u64::from(self.data_parallel.max(1)))
    }

    /// Bytes that a sequence of `tokens` takes on one GPU, in whole blocks.
    #[must_use]
    pub fn sequence_bytes(&self, tokens: u64) -> u64 {
        let each = self.terms.iter();
        each.map(|term| term.sequence_bytes(tokens, self.block_size))
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(bytes_per_token: u64, cap_tokens: Option<u64>, extra_blocks: u32) -> KvTerm {
        KvTerm {
            kind: TermKind::Attention,
            layers: 1,
            bytes_per_token,
            bytes_per_entry: None,
            tokens_per_entry: 1,
            context_ranks: 1,
            bytes_per_sequence: 0,
            cap_tokens,
            extra_blocks,
            formula: String::new(),
        }
    }

    #[test]
    fn a_sequence_takes_whole_blocks() {
        assert_eq!(term(10, None, 0).sequence_bytes(17, 16), 320);
        assert_eq!(term(10, None, 0).sequence_bytes(16, 16), 160);
        assert_eq!(term(10, None, 0).sequence_bytes(0, 16), 0);
    }

    #[test]
    fn tokens_are_dealt_out_and_share_entries() {
        // 17 tokens on 8 GPUs: 3 here, a block of 16, 80 bytes each.
        let dealt = KvTerm {
            bytes_per_entry: Some(80),
            context_ranks: 8,
            ..term(10, None, 0)
        };
        assert_eq!(dealt.sequence_bytes(17, 16), 16 * 80);
        // 130 tokens fill 9 blocks of 16: 144 tokens are 36 entries of 4.
        let shared = KvTerm {
            bytes_per_entry: Some(100),
            tokens_per_entry: 4,
            ..term(25, None, 0)
        };
        assert_eq!(shared.sequence_bytes(130, 16), 36 * 100);
    }

    #[test]
    fn a_window_stops_the_growth() {
        let window = term(10, Some(128), 1);
        assert_eq!(window.sequence_bytes(64, 16), 10 * (64 + 16));
        assert_eq!(window.sequence_bytes(100_000, 16), 10 * (128 + 16));
    }
}
