//! What fits into a GPU's memory, and the memory that a load needs.

use serde::{Deserialize, Serialize};

use super::error::KvError;
use super::estimate::KvEstimate;

/// Memory of one GPU, and what of it is not for the cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Memory of one GPU.
    pub memory_bytes: u64,
    /// Share of it that the server may use, above 0 to 1.
    pub utilization: f64,
    /// Weights on one GPU.
    pub weight_bytes: u64,
    /// Activations, graphs and the runtime on one GPU.
    pub overhead_bytes: u64,
}

impl Budget {
    /// A budget that is for the cache alone.
    #[must_use]
    pub fn of_cache(bytes: u64) -> Self {
        Self {
            memory_bytes: bytes,
            utilization: 1.0,
            weight_bytes: 0,
            overhead_bytes: 0,
        }
    }

    /// Memory that the server may use.
    #[must_use]
    pub fn usable_bytes(&self) -> u64 {
        (self.memory_bytes as f64 * self.utilization).floor() as u64
    }

    /// Memory that is left for the cache.
    ///
    /// # Errors
    /// `Wrong` for a share outside 0 to 1, `NoRoom` if nothing is left.
    pub fn cache_bytes(&self) -> Result<u64, KvError> {
        if !(self.utilization > 0.0 && self.utilization <= 1.0) {
            return Err(KvError::Wrong {
                field: "utilization".to_owned(),
                value: self.utilization.to_string(),
                must: "above 0, at most 1".to_owned(),
            });
        }
        let taken = self.weight_bytes.saturating_add(self.overhead_bytes);
        let left = self.usable_bytes().checked_sub(taken);
        left.filter(|left| *left > 0).ok_or(KvError::NoRoom {
            memory_bytes: self.memory_bytes,
            usable_bytes: self.usable_bytes(),
            weight_bytes: self.weight_bytes,
            overhead_bytes: self.overhead_bytes,
        })
    }
}

/// What fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Memory for the cache on one GPU.
    pub cache_bytes: u64,
    /// Tokens, in whole blocks, if every layer keeps every one of them, beside
    /// the state of one sequence; absent if no layer keeps tokens.
    pub tokens: Option<u64>,
    /// Length of the sequences below, tokens.
    pub context_tokens: u64,
    /// Bytes of one such sequence on one GPU.
    pub sequence_bytes: u64,
    /// Such sequences that fit at once; absent if they take nothing.
    pub sequences: Option<u64>,
}

impl KvEstimate {
    /// Tokens, in whole blocks, that `cache_bytes` of one GPU hold if every
    /// layer keeps every token: what engines log as the size of their cache.
    #[must_use]
    pub fn tokens_in(&self, cache_bytes: u64) -> Option<u64> {
        let block = u64::from(self.block_size.max(1));
        let left = cache_bytes.saturating_sub(self.bytes_per_sequence);
        let per_block = self.bytes_per_token.checked_mul(block)?;
        Some(left.checked_div(per_block)?.saturating_mul(block))
    }

    /// Bytes that `sequences` of `tokens` each, all on one rank, take on one GPU.
    #[must_use]
    pub fn needed_bytes(&self, sequences: u64, tokens: u64) -> u64 {
        sequences.saturating_mul(self.sequence_bytes(tokens))
    }

    /// What fits into `budget`, with sequences of `context_tokens`.
    ///
    /// # Errors
    /// As [`Budget::cache_bytes`].
    pub fn capacity(&self, budget: &Budget, context_tokens: u64) -> Result<Capacity, KvError> {
        let cache_bytes = budget.cache_bytes()?;
        let sequence_bytes = self.sequence_bytes(context_tokens);
        Ok(Capacity {
            cache_bytes,
            tokens: self.tokens_in(cache_bytes),
            context_tokens,
            sequence_bytes,
            sequences: cache_bytes.checked_div(sequence_bytes),
        })
    }

    /// Memory of one GPU that `sequences` of `tokens` each need, with the
    /// weights, the overhead and the share of `budget`, whose own memory does
    /// not matter.
    #[must_use]
    pub fn memory_for(&self, budget: &Budget, sequences: u64, tokens: u64) -> u64 {
        let taken = budget.weight_bytes.saturating_add(budget.overhead_bytes);
        let used = taken.saturating_add(self.needed_bytes(sequences, tokens));
        (used as f64 / budget.utilization).ceil() as u64
    }

    /// Weights on one GPU, split evenly: of a mixture of experts over several
    /// engines at least so many.
    #[must_use]
    pub fn weight_bytes_per_gpu(&self) -> Option<u64> {
        Some(self.weight_bytes?.div_ceil(u64::from(self.weight_gpus())))
    }
}
