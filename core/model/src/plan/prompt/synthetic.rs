//! Prompts made from the seed, with a text of exactly the asked length.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::draws::{draw, draw_ids, draw_lengths, prefix_group, prefix_seed, request_rng};
use super::vocabulary::Vocabulary;
use super::{PrefixPiece, Prompt, PromptError, PromptKey};
use crate::config::WorkloadConfig;
use crate::plan::length_table::LengthTable;

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
    use crate::plan::prompt::IdRange;

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
