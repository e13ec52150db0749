//! Seeds for everything random, each derived from the user's seed and from
//! what it is for, so that any part of a run can be made again on its own.

use sha2::{Digest, Sha256};

/// Purpose: order of backends within a block.
pub const ORDER: u64 = 1;
/// Purpose: arrival times of an open loop.
pub const ARRIVALS: u64 = 2;
/// Purpose: prompts.
pub const PROMPTS: u64 = 3;
/// Purpose: the prefix that prompts share.
pub const PREFIX: u64 = 4;
/// Purpose: the tokens of a trace's block.
pub const BLOCK: u64 = 5;
/// Purpose: the group of prompts that a request is in.
pub const GROUP: u64 = 6;
/// Purpose: sampling of a request's answer.
pub const SAMPLING: u64 = 7;
/// Purpose: turns of a conversation.
pub const TURNS: u64 = 8;
/// Purpose: pauses of a conversation.
pub const PAUSES: u64 = 9;
/// Purpose: the images of a request.
pub const IMAGE: u64 = 10;
/// Purpose: classes of traffic.
pub const CLASS: u64 = 11;

/// A seed derived from `base` and `path`: the first eight bytes (little
/// endian) of the SHA-256 of all their little-endian bytes.
#[must_use]
pub fn derive(base: u64, path: &[u64]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(base.to_le_bytes());
    for step in path {
        hash.update(step.to_le_bytes());
    }
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// The seed of an open loop's send times in one cell: `level` is the place of
/// its level in the config.
#[must_use]
pub fn arrivals(base: u64, block: u32, level: usize) -> u64 {
    derive(base, &[ARRIVALS, u64::from(block), level as u64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_paths_give_different_seeds() {
        let seeds = [
            derive(1, &[ORDER, 0]),
            derive(1, &[ORDER, 1]),
            derive(1, &[ARRIVALS, 0]),
            derive(2, &[ORDER, 0]),
        ];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[i + 1..].iter().all(|b| a != b));
        }
    }
}
