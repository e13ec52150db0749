//! KV blocks: a pool with reference counts and, on top, the prefix cache with
//! LRU eviction of blocks that no sequence holds. It knows no sequences.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Index of a block in the pool.
pub(crate) type BlockId = u32;

#[derive(Debug, Clone, Default)]
struct Block {
    refs: u32,
    hash: Option<u64>,
    /// Key in `free` while `refs` is 0.
    freed_at: u64,
}

/// All KV blocks of the engine.
#[derive(Debug)]
pub(crate) struct BlockPool {
    blocks: Vec<Block>,
    /// Unreferenced blocks, longest unused first.
    free: BTreeMap<u64, BlockId>,
    cached: HashMap<u64, BlockId>,
    ticks: u64,
}

impl BlockPool {
    /// A pool of `count` empty blocks.
    pub(crate) fn new(count: u32) -> Self {
        let blocks = (0..count)
            .map(|i| Block {
                freed_at: u64::from(i),
                ..Block::default()
            })
            .collect();
        Self {
            blocks,
            free: (0..count).map(|i| (u64::from(i), i)).collect(),
            cached: HashMap::new(),
            ticks: u64::from(count),
        }
    }

    /// Blocks that no sequence holds (cached ones included).
    pub(crate) fn free_count(&self) -> usize {
        self.free.len()
    }

    /// Share of blocks held by sequences, 0 to 1.
    pub(crate) fn usage(&self) -> f64 {
        if self.blocks.is_empty() {
            return 0.0;
        }
        1.0 - self.free.len() as f64 / self.blocks.len() as f64
    }

    /// Takes the longest unused block; what it cached is forgotten. `None` if all are held.
    pub(crate) fn take(&mut self) -> Option<BlockId> {
        let (_, id) = self.free.pop_first()?;
        let block = &mut self.blocks[id as usize];
        block.refs = 1;
        if let Some(hash) = block.hash.take() {
            self.cached.remove(&hash);
        }
        Some(id)
    }

    /// Leading `hashes` that are cached: the blocks, not yet held.
    pub(crate) fn lookup(&self, hashes: &[u64]) -> Vec<BlockId> {
        hashes
            .iter()
            .map_while(|h| self.cached.get(h).copied())
            .collect()
    }

    /// How many of `ids` no sequence holds: holding them uses up that many free blocks.
    pub(crate) fn unheld(&self, ids: &[BlockId]) -> usize {
        ids.iter()
            .filter(|id| self.blocks[**id as usize].refs == 0)
            .count()
    }

    /// Holds a cached block once more.
    pub(crate) fn hold(&mut self, id: BlockId) {
        let block = &mut self.blocks[id as usize];
        if block.refs == 0 {
            self.free.remove(&block.freed_at);
        }
        block.refs += 1;
    }

    /// Gives back one sequence's blocks, in its order; the last becomes the
    /// first to be evicted, so that a prefix outlives what follows it.
    pub(crate) fn release(&mut self, ids: &[BlockId]) {
        for &id in ids.iter().rev() {
            let block = &mut self.blocks[id as usize];
            block.refs = block.refs.saturating_sub(1);
            if block.refs == 0 {
                block.freed_at = self.ticks;
                self.free.insert(self.ticks, id);
                self.ticks += 1;
            }
        }
    }

    /// Makes a held block findable under `hash`, unless another already is.
    pub(crate) fn publish(&mut self, id: BlockId, hash: u64) {
        if !self.cached.contains_key(&hash) && self.blocks[id as usize].hash.is_none() {
            self.blocks[id as usize].hash = Some(hash);
            self.cached.insert(hash, id);
        }
    }

    /// Forgets every cached prefix; held blocks stay held.
    pub(crate) fn forget_prefixes(&mut self) {
        self.cached.clear();
        for block in &mut self.blocks {
            block.hash = None;
        }
    }
}

/// Hashes of the full blocks of `ids`, each including all before it.
pub(crate) fn chain_hashes(ids: &[u32], block_size: usize) -> Vec<u64> {
    let mut parent = 0u64;
    ids.chunks_exact(block_size)
        .map(|block| {
            let mut hasher = DefaultHasher::new();
            (parent, block).hash(&mut hasher);
            parent = hasher.finish();
            parent
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_blocks_are_hashed_and_each_includes_its_past() {
        let a = chain_hashes(&[1, 2, 3, 4, 5], 2);
        let b = chain_hashes(&[9, 9, 3, 4], 2);
        assert_eq!(a.len(), 2);
        assert_ne!(a[1], b[1]);
        assert_eq!(a[0], chain_hashes(&[1, 2], 2)[0]);
    }

    #[test]
    fn the_longest_unused_block_is_evicted_first() {
        let mut pool = BlockPool::new(2);
        let (a, b) = (pool.take().unwrap(), pool.take().unwrap());
        assert_eq!(pool.take(), None);
        pool.publish(a, 10);
        pool.publish(b, 20);
        pool.release(&[a]);
        pool.release(&[b]);
        assert_eq!(pool.take(), Some(a));
        assert!(pool.lookup(&[10]).is_empty());
        assert_eq!(pool.lookup(&[20]), [b]);
    }

    #[test]
    fn a_held_cached_block_cannot_be_evicted() {
        let mut pool = BlockPool::new(1);
        let a = pool.take().unwrap();
        pool.publish(a, 10);
        pool.release(&[a]);
        pool.hold(a);
        assert_eq!(pool.free_count(), 0);
        assert_eq!(pool.take(), None);
        assert!((pool.usage() - 1.0).abs() < 1e-12);
    }
}
