//! Tokens of the simulated model: how text is counted, and which tokens an
//! answer has. It knows no time and no wire format.
//!
//! Rule for text: one token per whitespace-separated word, at least 1. A chat
//! prompt has the words of all messages plus 4 tokens per message.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Tokens that the chat template adds to each message.
pub(crate) const TOKENS_PER_MESSAGE: usize = 4;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// 64-bit FNV-1a: the same in every build, unlike the standard library's hasher.
fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(FNV_OFFSET, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(FNV_PRIME)
    })
}

/// Hash of a prompt's token ids.
pub(crate) fn prompt_hash(ids: &[u32]) -> u64 {
    fnv1a(ids.iter().flat_map(|id| id.to_le_bytes()))
}

fn scale(random: u32, vocab_size: u32) -> u32 {
    let product = u64::from(random) * u64::from(vocab_size);
    u32::try_from(product >> 32).unwrap_or(0)
}

fn word_id(word: &str, vocab_size: u32) -> u32 {
    let hash = fnv1a(word.bytes());
    scale(
        u32::try_from((hash ^ (hash >> 32)) & 0xffff_ffff).unwrap_or(0),
        vocab_size,
    )
}

/// Token ids of a text: one per whitespace-separated word, at least one.
pub(crate) fn text_ids(text: &str, vocab_size: u32) -> Vec<u32> {
    let mut ids: Vec<u32> = text
        .split_whitespace()
        .map(|w| word_id(w, vocab_size))
        .collect();
    if ids.is_empty() {
        ids.push(word_id("", vocab_size));
    }
    ids
}

/// Appends the token ids of one chat message: 4 that depend on its role, then
/// one per whitespace-separated word of its content (none if it is empty).
pub(crate) fn push_message_ids(ids: &mut Vec<u32>, role: &str, content: &str, vocab_size: u32) {
    let role_id = word_id(role, vocab_size);
    ids.extend([role_id; TOKENS_PER_MESSAGE]);
    ids.extend(content.split_whitespace().map(|w| word_id(w, vocab_size)));
}

/// The answer's tokens, a pure function of seed, prompt and position.
#[derive(Debug, Clone)]
pub(crate) struct TokenStream {
    rng: ChaCha8Rng,
    vocab_size: u32,
    /// Tokens still to come before it parts from the answer that seed and prompt
    /// give; never if absent.
    alike: Option<u32>,
}

impl TokenStream {
    /// `prompt_hash`: see [`prompt_hash`].
    pub(crate) fn new(seed: u64, prompt_hash: u64, vocab_size: u32) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&prompt_hash.to_le_bytes());
        Self {
            rng: ChaCha8Rng::from_seed(key),
            vocab_size,
            alike: None,
        }
    }

    /// The same up to `token`, from 1, from which on every one is the next higher id.
    pub(crate) fn parting_at(self, token: Option<u32>) -> Self {
        Self {
            alike: token.map(|token| token.saturating_sub(1)),
            ..self
        }
    }

    /// Length at which the model would end by itself, tokens, at least 1:
    /// geometric with this mean. A mean of 0 never ends (`None`). Call it
    /// once, before the first token.
    pub(crate) fn natural_length(&mut self, mean: u32) -> Option<u32> {
        let random = self.rng.next_u32();
        if mean == 0 {
            return None;
        }
        if mean == 1 {
            return Some(1);
        }
        let uniform = (f64::from(random) + 0.5) / 4_294_967_296.0;
        let steps = uniform.ln() / (1.0 - 1.0 / f64::from(mean)).ln();
        // Saturating: ln(2^-33) times the largest mean still fits in u32 range or clamps.
        Some((steps as u32).saturating_add(1))
    }

    /// Next token id, in `0..vocab_size`.
    pub(crate) fn next_id(&mut self) -> u32 {
        let id = scale(self.rng.next_u32(), self.vocab_size);
        match &mut self.alike {
            None => id,
            Some(0) => (id + 1) % self.vocab_size,
            Some(tokens) => {
                *tokens -= 1;
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_token_per_word_and_at_least_one() {
        assert_eq!(text_ids("the  quick\nfox ", 100).len(), 3);
        assert_eq!(text_ids("", 100).len(), 1);
        assert_eq!(
            text_ids("a b", 7),
            [text_ids("a", 7), text_ids("b", 7)].concat()
        );
    }

    #[test]
    fn a_message_has_its_words_and_four_more() {
        let mut ids = Vec::new();
        push_message_ids(&mut ids, "user", "one two", 100);
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn the_same_prompt_and_seed_give_the_same_tokens() {
        let draw = |seed, prompt: &[u32]| {
            let mut s = TokenStream::new(seed, prompt_hash(prompt), 1000);
            (0..20).map(|_| s.next_id()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, &[5, 6]), draw(1, &[5, 6]));
        assert_ne!(draw(1, &[5, 6]), draw(2, &[5, 6]));
        assert_ne!(draw(1, &[5, 6]), draw(1, &[6, 5]));
        assert!(draw(1, &[5]).iter().all(|id| *id < 1000));
    }

    #[test]
    fn an_answer_parts_at_the_token_asked_for_and_stays_apart() {
        let draw = |token| {
            let mut stream = TokenStream::new(1, 2, 1000).parting_at(token);
            stream.natural_length(50);
            (0..20).map(|_| stream.next_id()).collect::<Vec<_>>()
        };
        let (as_it_is, parted) = (draw(None), draw(Some(5)));
        assert_eq!(as_it_is[..4], parted[..4]);
        let pairs = as_it_is[4..].iter().zip(&parted[4..]);
        assert!(pairs.clone().all(|(a, b)| (a + 1) % 1000 == *b));
        assert_ne!(as_it_is[0], draw(Some(1))[0]);
    }

    #[test]
    fn natural_lengths_average_to_the_mean_asked_for() {
        // Geometric, mean 50: standard deviation below 50, so the mean of 4000 lies
        // within 50 +- 4 * 50 / sqrt(4000) = 50 +- 3.2.
        let total: f64 = (0..4000u32)
            .filter_map(|i| TokenStream::new(7, u64::from(i), 100).natural_length(50))
            .map(f64::from)
            .sum();
        assert!(
            (total / 4000.0 - 50.0).abs() < 3.2,
            "mean {}",
            total / 4000.0
        );
        assert_eq!(TokenStream::new(7, 1, 100).natural_length(0), None);
        assert_eq!(TokenStream::new(7, 1, 100).natural_length(1), Some(1));
    }

    #[test]
    fn fnv1a_matches_the_published_vector() {
        // FNV-1a 64 of "foobar", from the authors' test suite.
        assert_eq!(fnv1a(*b"foobar"), 0x8594_4171_f739_67e8);
    }
}
