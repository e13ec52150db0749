//! What a backend reports about itself.

use serde::{Deserialize, Serialize};

/// Facts that a backend reports about itself: in its metrics, its server info
/// or its log. Every one may be missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Requests being worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_requests: Option<f64>,
    /// Requests waiting for room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_requests: Option<f64>,
    /// Share of the KV cache in use, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_usage_ratio: Option<f64>,
    /// Prompt tokens looked up in the prefix cache since start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache_queries: Option<f64>,
    /// Prompt tokens found in the prefix cache since start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache_hits: Option<f64>,
    /// Requests preempted for lack of KV-cache memory since start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
    /// Prompt tokens since start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<f64>,
    /// Generated tokens since start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation_tokens: Option<f64>,
    /// Data-parallel rank of the engine that a log line is of; absent where the line
    /// does not name one, and in what is taken together of several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_parallel_rank: Option<u32>,
    /// Tokens that the KV cache holds, all data-parallel ranks together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_tokens: Option<u64>,
    /// Bytes of the KV cache on one device of each data-parallel rank, together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_bytes: Option<u64>,
    /// Blocks that the KV cache is divided into, all ranks together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_blocks: Option<u64>,
    /// Tokens of one block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_block_size: Option<u64>,
    /// Full-length requests that fit at once, times their length: tokens that
    /// the KV cache holds, as exactly as the server rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_tokens_about: Option<f64>,
    /// Data type of the KV cache in effect; absent if it is the model's own or not
    /// reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_dtype: Option<String>,
    /// Bytes of cached tensors after so many tokens of one sequence, pairs of
    /// (tokens, bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_growth: Option<Vec<(u64, u64)>>,
    /// Whether its weights are loaded; set by the log line that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_loaded: Option<bool>,
    /// Bytes of the weights on one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_bytes: Option<u64>,
    /// Name of the model in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Data type in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Longest prompt plus answer in effect, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_model_len: Option<u64>,
    /// Version of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the server's process was started, s since 1970 by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_unix_s: Option<f64>,
    /// Whether the server caches prefixes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_caching: Option<bool>,
    /// Attention implementation in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_backend: Option<String>,
    /// Quantisation of the weights in effect; `none` if the server says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Requests that its scheduler works on at once, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running_requests: Option<u64>,
    /// Prompt tokens that its scheduler takes into one step, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batched_tokens: Option<u64>,
    /// Share of the tokens drafted by speculative decoding that were accepted, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_acceptance_ratio: Option<f64>,
}

impl Evidence {
    /// Takes each fact that `other` has; keeps its own where `other` has none.
    pub fn absorb(&mut self, other: Self) {
        macro_rules! take {
            ($($field:ident),*) => { $( if other.$field.is_some() { self.$field = other.$field; } )* };
        }
        take!(
            running_requests,
            waiting_requests,
            kv_cache_usage_ratio,
            prefix_cache_queries,
            prefix_cache_hits,
            preemptions,
            prompt_tokens,
            generation_tokens,
            kv_cache_tokens,
            kv_cache_bytes,
            kv_cache_blocks,
            kv_block_size,
            kv_cache_tokens_about,
            kv_cache_dtype,
            kv_growth,
            weights_loaded,
            weights_bytes,
            model,
            dtype,
            max_model_len,
            version,
            started_unix_s,
            prefix_caching,
            attention_backend,
            quantization,
            max_running_requests,
            max_batched_tokens,
            draft_acceptance_ratio
        );
    }

    /// The same evidence with the caches of several ranks together, each of which
    /// reports its own. What one of them does not report is not known of all.
    #[must_use]
    pub fn with_caches_of(self, ranks: &[Self]) -> Self {
        fn sum<T: std::iter::Sum<T>>(each: impl Iterator<Item = Option<T>>) -> Option<T> {
            each.sum()
        }
        if ranks.len() < 2 {
            return self;
        }
        Self {
            kv_cache_tokens: sum(ranks.iter().map(|rank| rank.kv_cache_tokens)),
            kv_cache_bytes: sum(ranks.iter().map(|rank| rank.kv_cache_bytes)),
            kv_cache_blocks: sum(ranks.iter().map(|rank| rank.kv_cache_blocks)),
            kv_cache_tokens_about: sum(ranks.iter().map(|rank| rank.kv_cache_tokens_about)),
            ..self
        }
    }

    /// What it reports about the sizes of KV cache and weights.
    #[must_use]
    pub fn of_memory(&self) -> Self {
        Self {
            kv_cache_tokens: self.kv_cache_tokens,
            kv_cache_bytes: self.kv_cache_bytes,
            kv_cache_blocks: self.kv_cache_blocks,
            kv_block_size: self.kv_block_size,
            kv_cache_tokens_about: self.kv_cache_tokens_about,
            kv_cache_dtype: self.kv_cache_dtype.clone(),
            kv_growth: self.kv_growth.clone(),
            weights_bytes: self.weights_bytes,
            ..Self::default()
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(tokens: Option<u64>, bytes: u64) -> Evidence {
        Evidence {
            kv_cache_tokens: tokens,
            kv_cache_bytes: Some(bytes),
            ..Evidence::default()
        }
    }

    #[test]
    fn caches_of_ranks_add_up_where_each_reports_its_own() {
        let last = cache(Some(20), 200);
        let both = [cache(Some(10), 100), last.clone()];
        let sum = last.clone().with_caches_of(&both);
        assert_eq!(
            (sum.kv_cache_tokens, sum.kv_cache_bytes),
            (Some(30), Some(300))
        );
        let silent = [cache(None, 100), last.clone()];
        let sum = last.clone().with_caches_of(&silent);
        assert_eq!((sum.kv_cache_tokens, sum.kv_cache_bytes), (None, Some(300)));
        let one = std::slice::from_ref(&last);
        assert_eq!(last.clone().with_caches_of(one), last);
    }
}
