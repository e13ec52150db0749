//! The virtual engine: which sequences run, how long a step takes and when each
//! gets a token. PURE: time comes in as an argument, nothing else happens.
//!
//! A step lasts base + running sequences * per-seq + prefill tokens * per-token.
//! At its end each running sequence whose prompt is prefilled gets one token.

use std::collections::VecDeque;

use super::blocks::{BlockId, BlockPool, chain_hashes};

/// A step that follows another starts at the other's end unless the caller
/// comes later than this; then it starts when the caller comes.
const CATCH_UP_NS: u64 = 2_000_000;

/// Costs and limits of the engine.
#[derive(Debug, Clone)]
pub(crate) struct EngineConfig {
    /// Cost of any step, ns.
    pub(crate) step_base_ns: u64,
    /// Cost per running sequence and step, ns.
    pub(crate) step_per_seq_ns: u64,
    /// Cost per prefilled token, ns.
    pub(crate) prefill_ns_per_token: u64,
    /// Sequences that may run at once; 1 is sequential serving.
    pub(crate) max_num_seqs: usize,
    /// Prefill tokens per step.
    pub(crate) max_batched_tokens: usize,
    /// KV blocks in all.
    pub(crate) kv_blocks: u32,
    /// Tokens per block.
    pub(crate) block_size: usize,
    /// Whether full prompt blocks are cached and reused.
    pub(crate) prefix_caching: bool,
}

/// Names a sequence to the caller; the engine only compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeqKey {
    /// The caller's slot.
    pub(crate) slot: usize,
    /// Unique over the engine's life.
    pub(crate) request: u64,
}

/// One token for one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Produced {
    /// Whose token.
    pub(crate) key: SeqKey,
    /// Prompt tokens found in the prefix cache when it was first admitted.
    pub(crate) cached_tokens: u32,
}

/// Counts since the engine began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EngineCounts {
    /// Sequences that lost their blocks.
    pub(crate) preemptions: u64,
    /// Prompt tokens looked up in the prefix cache.
    pub(crate) prefix_queries: u64,
    /// Prompt tokens found there.
    pub(crate) prefix_hits: u64,
}

/// The sequence can never fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("prompt and output need {needed} KV blocks, the pool has {total}")]
pub(crate) struct NeverFits {
    needed: usize,
    total: u32,
}

#[derive(Debug)]
struct Seq {
    key: SeqKey,
    prompt_tokens: usize,
    prompt_hashes: Vec<u64>,
    produced: usize,
    target: usize,
    blocks: Vec<BlockId>,
    prefill_left: usize,
    cached_tokens: Option<u32>,
}

impl Seq {
    /// Tokens whose KV the next step needs.
    fn length(&self) -> usize {
        self.prompt_tokens + self.produced
    }
}

/// The engine's whole state.
#[derive(Debug)]
pub(crate) struct Engine {
    config: EngineConfig,
    pool: BlockPool,
    /// In order of admission.
    running: Vec<Seq>,
    waiting: VecDeque<Seq>,
    step_ends_ns: Option<u64>,
    counts: EngineCounts,
}

impl Engine {
    /// An idle engine.
    pub(crate) fn new(config: EngineConfig) -> Self {
        let pool = BlockPool::new(config.kv_blocks);
        Self {
            config,
            pool,
            running: Vec::new(),
            waiting: VecDeque::new(),
            step_ends_ns: None,
            counts: EngineCounts::default(),
        }
    }

    /// Queues a sequence: it waits for the next step. `output_tokens`: how many
    /// it will produce, at least 1.
    ///
    /// # Errors
    /// `NeverFits` if prompt and output exceed all KV blocks.
    pub(crate) fn submit(
        &mut self,
        key: SeqKey,
        prompt_ids: &[u32],
        output_tokens: usize,
    ) -> Result<(), NeverFits> {
        let needed = (prompt_ids.len() + output_tokens).div_ceil(self.config.block_size);
        if needed > self.config.kv_blocks as usize {
            return Err(NeverFits {
                needed,
                total: self.config.kv_blocks,
            });
        }
        let prompt_hashes = match self.config.prefix_caching {
            true => chain_hashes(prompt_ids, self.config.block_size),
            false => Vec::new(),
        };
        self.waiting.push_back(Seq {
            key,
            prompt_tokens: prompt_ids.len(),
            prompt_hashes,
            produced: 0,
            target: output_tokens,
            blocks: Vec::new(),
            prefill_left: 0,
            cached_tokens: None,
        });
        Ok(())
    }

    /// Drops a sequence and frees its blocks; nothing happens if it has ended.
    pub(crate) fn abort(&mut self, key: SeqKey) {
        if let Some(at) = self.running.iter().position(|s| s.key == key) {
            let seq = self.running.remove(at);
            self.pool.release(&seq.blocks);
        } else {
            self.waiting.retain(|s| s.key != key);
        }
    }

    /// When `advance` next has something to do, ns: 0 = now, `None` = idle.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let has_work = !self.running.is_empty() || !self.waiting.is_empty();
        self.step_ends_ns.or(has_work.then_some(0))
    }

    /// Ends the step in progress if it is due, then begins the next if there is
    /// work. The tokens of the ended step are appended to `produced`, in order
    /// of admission. At most one step ends per call.
    pub(crate) fn advance(&mut self, now_ns: u64, produced: &mut Vec<Produced>) {
        let mut start_ns = now_ns;
        if let Some(end_ns) = self.step_ends_ns {
            if end_ns > now_ns {
                return;
            }
            self.step_ends_ns = None;
            self.end_step(produced);
            if now_ns - end_ns <= CATCH_UP_NS {
                start_ns = end_ns;
            }
        }
        self.begin_step(start_ns);
    }

    fn end_step(&mut self, produced: &mut Vec<Produced>) {
        for seq in &mut self.running {
            if seq.prefill_left > 0 {
                continue;
            }
            for (block, hash) in seq.blocks.iter().zip(&seq.prompt_hashes) {
                if seq.produced == 0 {
                    self.pool.publish(*block, *hash);
                }
            }
            seq.produced += 1;
            produced.push(Produced {
                key: seq.key,
                cached_tokens: seq.cached_tokens.unwrap_or(0),
            });
            if seq.produced == seq.target {
                self.pool.release(&seq.blocks);
            }
        }
        self.running.retain(|s| s.produced < s.target);
    }

    fn begin_step(&mut self, start_ns: u64) {
        let preempted = self.grow_running();
        let budget = self.config.max_batched_tokens;
        let mut prefilled = self.continue_prefills(budget);
        if !preempted {
            prefilled += self.admit(budget - prefilled);
        }
        if self.running.is_empty() {
            return;
        }
        // A sequence aborted during the step neither shortens nor lengthens it.
        let c = &self.config;
        let duration_ns = c.step_base_ns
            + c.step_per_seq_ns * self.running.len() as u64
            + c.prefill_ns_per_token * prefilled as u64;
        self.step_ends_ns = Some(start_ns + duration_ns);
    }

    /// Gives running sequences the blocks of their next step, earliest admitted
    /// first. True if one was preempted.
    fn grow_running(&mut self) -> bool {
        let mut preempted = false;
        let mut at = 0;
        while at < self.running.len() {
            let needed = self.running[at].length().div_ceil(self.config.block_size);
            if self.running[at].blocks.len() >= needed {
                at += 1;
            } else if let Some(block) = self.pool.take() {
                self.running[at].blocks.push(block);
            } else {
                self.preempt_newest();
                preempted = true;
            }
        }
        preempted
    }

    fn preempt_newest(&mut self) {
        if let Some(mut seq) = self.running.pop() {
            self.pool.release(&seq.blocks);
            seq.blocks.clear();
            self.counts.preemptions += 1;
            self.waiting.push_front(seq);
        }
    }

    fn continue_prefills(&mut self, budget: usize) -> usize {
        let mut used = 0;
        for seq in &mut self.running {
            let part = seq.prefill_left.min(budget - used);
            seq.prefill_left -= part;
            used += part;
        }
        used
    }

    /// Admits from the head of the queue; returns the tokens prefilled.
    fn admit(&mut self, budget: usize) -> usize {
        let mut used = 0;
        while self.running.len() < self.config.max_num_seqs && used < budget {
            let Some(mut seq) = self.waiting.pop_front() else {
                break;
            };
            if !self.allocate(&mut seq) {
                self.waiting.push_front(seq);
                break;
            }
            let part = seq.prefill_left.min(budget - used);
            seq.prefill_left -= part;
            used += part;
            self.running.push(seq);
        }
        used
    }

    /// Holds blocks for all of a waiting sequence, cached ones first. False, and
    /// nothing held, if too few are free.
    fn allocate(&mut self, seq: &mut Seq) -> bool {
        let needed = seq.length().div_ceil(self.config.block_size);
        let mut hits = self.pool.lookup(&seq.prompt_hashes);
        // The last token is always computed: its output is the first new token.
        hits.truncate((seq.length() - 1) / self.config.block_size);
        if needed - hits.len() > self.pool.free_count() - self.pool.unheld(&hits) {
            return false;
        }
        for id in &hits {
            self.pool.hold(*id);
        }
        let cached = hits.len() * self.config.block_size;
        seq.prefill_left = seq.length() - cached;
        seq.blocks = hits;
        while seq.blocks.len() < needed {
            seq.blocks.extend(self.pool.take());
        }
        if seq.cached_tokens.is_none() {
            seq.cached_tokens = Some(u32::try_from(cached).unwrap_or(u32::MAX));
            if self.config.prefix_caching {
                self.counts.prefix_queries += seq.prompt_tokens as u64;
                self.counts.prefix_hits += cached as u64;
            }
        }
        true
    }

    /// Forgets every cached prefix.
    pub(crate) fn forget_prefixes(&mut self) {
        self.pool.forget_prefixes();
    }

    /// Sequences in the batch.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Sequences in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Share of KV blocks held, 0 to 1.
    pub(crate) fn kv_usage(&self) -> f64 {
        self.pool.usage()
    }

    /// Counts since the engine began.
    pub(crate) fn counts(&self) -> EngineCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
