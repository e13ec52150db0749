//! What is drawn for one request: its lengths, its prefix, its token ids.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::vocabulary::Vocabulary;
use super::{PromptError, PromptKey};
use crate::config::WorkloadConfig;
use crate::plan::length_table::LengthTable;
use crate::plan::seed;

/// The seed of the prefix that a request shares with others of its level: one of as many
/// as there are groups.
pub(super) fn prefix_seed(workload: &WorkloadConfig, key: PromptKey) -> u64 {
    let place = [u64::from(key.block), key.level as u64];
    let path = [seed::PREFIX, place[0], place[1]];
    match prefix_group(workload, key) {
        // As before there were groups.
        0 => seed::derive(workload.seed, &path),
        group => seed::derive(workload.seed, &[path.as_slice(), &[group]].concat()),
    }
}

/// The group of prompts with one prefix that a request is in, from 0.
#[must_use]
pub fn prefix_group(workload: &WorkloadConfig, key: PromptKey) -> u64 {
    match u64::from(workload.prefix_groups) {
        0 | 1 => 0,
        groups => {
            let path = [
                seed::GROUP,
                u64::from(key.block),
                key.level as u64,
                key.index,
            ];
            seed::derive(workload.seed, &path) % groups
        }
    }
}

/// Tokens of prompt and answer that a request asks for whose lengths are drawn.
#[must_use]
pub fn asked_lengths(
    workload: &WorkloadConfig,
    table: Option<&LengthTable>,
    key: PromptKey,
) -> (u32, u32) {
    draw_lengths(workload, table, &mut request_rng(workload, key))
}

/// Where a request's own draws come from; its lengths are the first.
#[must_use]
pub fn request_rng(workload: &WorkloadConfig, key: PromptKey) -> ChaCha8Rng {
    let place = [u64::from(key.block), key.level as u64];
    let path = [seed::PROMPTS, place[0], place[1], key.index];
    ChaCha8Rng::seed_from_u64(seed::derive(workload.seed, &path))
}

/// Draws the lengths of prompt and answer, tokens: from the table, if there is one.
pub fn draw_lengths(
    workload: &WorkloadConfig,
    table: Option<&LengthTable>,
    rng: &mut ChaCha8Rng,
) -> (u32, u32) {
    match table {
        Some(table) => table.draw(rng),
        None => {
            let input_tokens = workload.input_tokens.draw(rng);
            (input_tokens, workload.output_tokens.draw(rng))
        }
    }
}

/// Draws `n` ordinary ids.
///
/// # Errors
/// `NoOrdinaryTokens`.
pub fn draw_ids(
    vocabulary: &dyn Vocabulary,
    rng: &mut ChaCha8Rng,
    n: usize,
) -> Result<Vec<u32>, PromptError> {
    match vocabulary.ordinary_ids() {
        [] => Err(PromptError::NoOrdinaryTokens),
        ordinary => Ok(draw(rng, ordinary, n)),
    }
}

pub(super) fn draw(rng: &mut ChaCha8Rng, ordinary: &[u32], n: usize) -> Vec<u32> {
    (0..n)
        .map(|_| ordinary[rng.random_range(0..ordinary.len())])
        .collect()
}
