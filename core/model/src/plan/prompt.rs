//! Prompts: made from the seed, of exactly the asked length. The prompt of a
//! request is a pure function of (seed, block, level, index), the same for
//! every backend.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::WorkloadConfig;
use crate::plan::length_table::LengthTable;
use crate::plan::seed;

/// One prompt and the answer length that goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Token ids, if there is a vocabulary to draw them from.
    pub token_ids: Option<Vec<u32>>,
    /// Text that encodes to `token_ids`, if there is a tokenizer.
    pub text: Option<String>,
    /// Chat messages in OpenAI's form, of a prompt that is no single text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Value>>,
    /// Prompt length, tokens; absent for text that no tokenizer counted.
    pub input_tokens: Option<u32>,
    /// Answer length to ask for, tokens.
    pub output_tokens: u32,
    /// What it begins with, piece by piece, as far as others may begin alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<PrefixPiece>,
    /// What else the source says of the request.
    #[serde(default)]
    pub extras: RequestExtras,
}

/// A piece of a prompt's beginning: pieces with one name at one place are the same tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixPiece {
    pub name: u64,
    pub tokens: u32,
}

/// What is new in one turn of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnPrompt {
    /// Of the first turn the whole prompt, of a later one what is said then.
    pub prompt: Prompt,
    /// The prompt of a later turn is whole, too: it was recorded with all that was said
    /// before.
    pub is_whole: bool,
    /// The answer that was recorded.
    pub answer: Option<String>,
}

/// What a source may say of a request beside prompt and answer length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestExtras {
    /// Name under which its model is served, such as an adapter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Kind of traffic that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Conversation that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Fields for the body of its request.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
}

/// What turns text into token ids and back. Implemented by the engine over a
/// `tokenizer.json`.
pub trait Vocabulary {
    /// Ids that a synthetic prompt may be made of: ordinary tokens, none special.
    fn ordinary_ids(&self) -> &[u32];
    /// Token ids of `text`, without special tokens; `None` if there is no tokenizer.
    fn encode(&self, text: &str) -> Option<Vec<u32>>;
    /// Text of `ids`; `None` if there is no tokenizer.
    fn decode(&self, ids: &[u32]) -> Option<String>;
    /// A text that is known to encode to `ids`, all of them ordinary, without
    /// encoding it; `None` if that is not known.
    fn compose(&self, ids: &[u32]) -> Option<String> {
        let _ = ids;
        None
    }
}

/// Ids `lo..hi` of a vocabulary that is known by its size alone.
#[derive(Debug, Clone)]
pub struct IdRange(Vec<u32>);

impl IdRange {
    /// The ids from `lo` to below `hi`.
    #[must_use]
    pub fn new(lo: u32, hi: u32) -> Self {
        Self((lo..hi).collect())
    }
}

impl Vocabulary for IdRange {
    fn ordinary_ids(&self) -> &[u32] {
        &self.0
    }

    fn encode(&self, _: &str) -> Option<Vec<u32>> {
        None
    }

    fn decode(&self, _: &[u32]) -> Option<String> {
        None
    }
}

/// A prompt that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PromptError {
    /// No id to draw from.
    #[error("the tokenizer has no ordinary tokens, a synthetic prompt needs at least one")]
    NoOrdinaryTokens,
    /// No text of the asked length was found.
    #[error(
        "no text of exactly {tokens} tokens was found in {tries} tries: decoded text does not re-encode to the same tokens"
    )]
    NoExactText { tokens: u32, tries: u32 },
    /// The text ends before.
    #[error("a piece of the text has {has} tokens, {tokens} are asked: the text is too short")]
    TextTooShort { tokens: u32, has: u32 },
    /// A row of the file cannot be read or used.
    #[error("{0}")]
    Row(String),
}

/// The request of a run that a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptKey {
    /// Block, from 0.
    pub block: u32,
    /// Index of the level in the config.
    pub level: usize,
    /// Index of the request in its cell.
    pub index: u64,
}

/// How often a text of the exact length is tried before giving up.
const TRIES: u32 = 200;

/// The synthetic prompt of one request. With a tokenizer it has text and ids
/// that encode to each other; without one, ids alone.
///
/// # Errors
/// `NoOrdinaryTokens` if there is nothing to draw from; `NoExactText` if the
/// tokenizer never returns the asked length.
pub fn synthetic(
    workload: &WorkloadConfig,
    table: Option<&LengthTable>,
    vocabulary: &dyn Vocabulary,
    key: PromptKey,
) -> Result<Prompt, PromptError> {
    let mut rng = request_rng(workload, key);
    let (input_tokens, output_tokens) = draw_lengths(workload, table, &mut rng);
    let shared = workload.shared_prefix_tokens.min(input_tokens) as usize;
    let mut prefix_rng = ChaCha8Rng::seed_from_u64(prefix_seed(workload, key));
    let mut ids = draw_ids(vocabulary, &mut prefix_rng, shared)?;
    ids.extend(draw_ids(
        vocabulary,
        &mut rng,
        input_tokens as usize - shared,
    )?);
    let (ids, text) = with_text(vocabulary, &mut rng, ids, shared)?;
    let piece = PrefixPiece {
        name: prefix_group(workload, key),
        tokens: u32::try_from(shared).unwrap_or(u32::MAX),
    };
    Ok(Prompt {
        token_ids: Some(ids),
        text,
        input_tokens: Some(input_tokens),
        output_tokens,
        prefix: Vec::from_iter((shared > 0).then_some(piece)),
        ..Prompt::default()
    })
}

/// The seed of the prefix that a request shares with others of its level: one of as many
/// as there are groups.
fn prefix_seed(workload: &WorkloadConfig, key: PromptKey) -> u64 {
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

/// `ids` and words behind them, `tokens` in all, with the text of all of them if there
/// is a tokenizer.
///
/// # Errors
/// As [`synthetic`].
pub fn random_words(
    vocabulary: &dyn Vocabulary,
    rng: &mut ChaCha8Rng,
    mut ids: Vec<u32>,
    tokens: u32,
) -> Result<(Vec<u32>, Option<String>), PromptError> {
    let given = ids.len();
    ids.extend(draw_ids(
        vocabulary,
        rng,
        (tokens as usize).saturating_sub(given),
    )?);
    with_text(vocabulary, rng, ids, given)
}

/// Ids with their text. Where the text of `ids` has others, it is changed until it has
/// as many; those before `keep` stay where they can.
fn with_text(
    vocabulary: &dyn Vocabulary,
    rng: &mut ChaCha8Rng,
    ids: Vec<u32>,
    keep: usize,
) -> Result<(Vec<u32>, Option<String>), PromptError> {
    if let Some(text) = vocabulary.compose(&ids) {
        return Ok((ids, Some(text)));
    }
    match vocabulary.decode(&ids) {
        None => Ok((ids, None)),
        Some(text) => {
            let tokens = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let (ids, text) = exact_text(vocabulary, rng, text, tokens, keep)?;
            Ok((ids, Some(text)))
        }
    }
}

fn draw(rng: &mut ChaCha8Rng, ordinary: &[u32], n: usize) -> Vec<u32> {
    (0..n)
        .map(|_| ordinary[rng.random_range(0..ordinary.len())])
        .collect()
}

/// Text near `text` whose encoding has exactly `tokens` ids: encode, cut or
/// fill up, decode, and again until it holds. Ids before `keep` stay where the
/// encoding lets them.
fn exact_text(
    vocabulary: &dyn Vocabulary,
    rng: &mut ChaCha8Rng,
    mut text: String,
    tokens: u32,
    keep: usize,
) -> Result<(Vec<u32>, String), PromptError> {
    let wanted = tokens as usize;
    let ordinary = vocabulary.ordinary_ids();
    for _ in 0..TRIES {
        let mut ids = vocabulary.encode(&text).unwrap_or_default();
        if ids.len() == wanted {
            return Ok((ids, text));
        }
        if ids.len() > wanted {
            ids.truncate(wanted);
        } else {
            ids.extend(draw(rng, ordinary, wanted - ids.len()));
        }
        if let Some(last) = ids.last_mut()
            && wanted > keep
        {
            *last = ordinary[rng.random_range(0..ordinary.len())];
        }
        text = vocabulary.decode(&ids).unwrap_or_default();
    }
    Err(PromptError::NoExactText {
        tokens,
        tries: TRIES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u64) -> PromptKey {
        PromptKey {
            block: 0,
            level: 0,
            index,
        }
    }

    fn workload(json: &str) -> WorkloadConfig {
        serde_json::from_str(json).unwrap()
    }

    /// Ids are letters; "a" followed by "b" merges into one token on encoding.
    struct Merging(Vec<u32>);

    impl Vocabulary for Merging {
        fn ordinary_ids(&self) -> &[u32] {
            &self.0
        }

        fn encode(&self, text: &str) -> Option<Vec<u32>> {
            let joined = text.replace("ab", "#");
            Some(joined.chars().map(|c| c as u32).collect())
        }

        fn decode(&self, ids: &[u32]) -> Option<String> {
            let letters = ids.iter().filter_map(|id| char::from_u32(*id));
            Some(letters.collect::<String>().replace('#', "ab"))
        }
    }

    #[test]
    fn prompts_have_the_asked_length_and_differ_by_index() {
        let workload = workload(r#"{"input_tokens": 50, "output_tokens": 5}"#);
        let range = IdRange::new(100, 1100);
        let one = synthetic(&workload, None, &range, key(0)).unwrap();
        let two = synthetic(&workload, None, &range, key(1)).unwrap();
        let ids = one.token_ids.clone().unwrap();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| (100..1100).contains(id)));
        assert_ne!(one, two);
        assert_eq!(one, synthetic(&workload, None, &range, key(0)).unwrap());
    }

    #[test]
    fn shared_prefix_is_shared_and_nothing_else() {
        let workload = workload(r#"{"input_tokens": 40, "shared_prefix_tokens": 30}"#);
        let range = IdRange::new(0, 5000);
        let ids = |i| {
            let prompt = synthetic(&workload, None, &range, key(i)).unwrap();
            prompt.token_ids.unwrap()
        };
        let (one, two) = (ids(0), ids(1));
        assert_eq!(one[..30], two[..30]);
        assert_ne!(one[30..], two[30..]);
    }

    #[test]
    fn groups_have_a_prefix_each_and_all_are_used() {
        let workload =
            workload(r#"{"input_tokens": 8, "shared_prefix_tokens": 6, "prefix_groups": 3}"#);
        let range = IdRange::new(0, 100_000);
        let mut prefixes = std::collections::BTreeMap::new();
        for index in 0..60 {
            let ids = synthetic(&workload, None, &range, key(index)).unwrap();
            let prefix = ids.token_ids.unwrap()[..6].to_vec();
            let group = prefix_group(&workload, key(index));
            assert_eq!(
                prefixes.entry(group).or_insert_with(|| prefix.clone()),
                &prefix
            );
        }
        let different: std::collections::BTreeSet<_> = prefixes.values().collect();
        assert_eq!((prefixes.len(), different.len()), (3, 3));
    }

    #[test]
    fn text_encodes_to_its_own_ids_though_tokens_merge() {
        let vocabulary = Merging(vec!['a' as u32, 'b' as u32, 'c' as u32]);
        let workload = workload(r#"{"input_tokens": 64}"#);
        for index in 0..50 {
            let prompt = synthetic(&workload, None, &vocabulary, key(index)).unwrap();
            let text = prompt.text.unwrap();
            let ids = vocabulary.encode(&text).unwrap();
            assert_eq!(ids.len(), 64);
            assert_eq!(Some(ids), prompt.token_ids);
        }
    }

    #[test]
    fn an_empty_vocabulary_is_an_error() {
        let error = synthetic(
            &WorkloadConfig::default(),
            None,
            &IdRange::new(0, 0),
            key(0),
        );
        assert_eq!(error.unwrap_err(), PromptError::NoOrdinaryTokens);
    }
}
