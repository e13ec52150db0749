//! From a row of a file to the prompt of a request.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::config::WorkloadConfig;
use crate::plan::prompt::{
    self, PrefixPiece, Prompt, PromptError, PromptKey, RequestExtras, TurnPrompt, Vocabulary,
};
use crate::plan::seed;
use crate::prompts::row::{BLOCK_TOKENS, Content, Row, RowFault, Turn};

/// A row that becomes no prompt.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// It is left out.
    #[error("{0}")]
    Dropped(String),
    /// It cannot be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

/// Lengths of a row's prompt and answer, tokens, as far as they are known.
///
/// # Errors
/// The reason, if `workload.keep` leaves it out.
pub fn lengths(
    row: &Row,
    workload: &WorkloadConfig,
    vocabulary: Option<&dyn Vocabulary>,
) -> Result<(Option<u32>, Option<u32>), RowFault> {
    let count = |text: &str| {
        let ids = vocabulary.and_then(|vocabulary| vocabulary.encode(text));
        ids.map(|ids| u32::try_from(ids.len()).unwrap_or(u32::MAX))
    };
    let (input, recorded) = match &row.content {
        Content::Text(text) => (count(text), None),
        Content::TokenIds(ids, _) => (u32::try_from(ids.len()).ok(), None),
        Content::Messages(_) => (None, None),
        Content::Conversation(turns) => match turns.first() {
            Some(Turn { question, answer }) => (count(question), answer.as_deref().and_then(count)),
            None => (None, None),
        },
        Content::Made { input_tokens, .. } => (Some(*input_tokens), None),
    };
    let output = row.output_tokens.or(recorded);
    match workload.keep.reason_to_drop(input, output) {
        Some(reason) => Err(RowFault::Dropped(reason)),
        None => Ok((input, output)),
    }
}

/// The prompt of a row, for the request with this key.
///
/// # Errors
/// See [`BuildError`].
pub fn from_row(
    row: Row,
    workload: &WorkloadConfig,
    vocabulary: Option<&dyn Vocabulary>,
    key: PromptKey,
) -> Result<Prompt, BuildError> {
    let lengths = lengths(&row, workload, vocabulary);
    let (input_tokens, output_tokens) =
        lengths.map_err(|fault| BuildError::Dropped(fault.to_string()))?;
    // An answer of 0 tokens cannot be asked for.
    let output_tokens = output_tokens
        .unwrap_or(workload.output_tokens.bounds().1)
        .max(1);
    let encode = |text: &str| vocabulary.and_then(|vocabulary| vocabulary.encode(text));
    let mut made = Prompt {
        token_ids: None,
        text: None,
        messages: None,
        input_tokens,
        output_tokens,
        prefix: Vec::new(),
        extras: RequestExtras {
            model: row.model,
            class: row.class,
            session: row.session,
            body: row.body,
        },
    };
    match row.content {
        Content::Text(text) => {
            made.token_ids = encode(&text);
            made.text = Some(text);
        }
        Content::TokenIds(ids, text) => {
            let decode = || vocabulary.and_then(|vocabulary| vocabulary.decode(&ids));
            made.text = text.or_else(decode);
            made.token_ids = Some(ids);
        }
        Content::Messages(messages) => made.messages = Some(messages),
        Content::Conversation(turns) => {
            let question = turns.into_iter().next().map(|turn| turn.question);
            made.token_ids = question.as_deref().and_then(encode);
            made.text = question;
        }
        Content::Made {
            input_tokens,
            blocks,
        } => {
            let vocabulary = vocabulary.ok_or(PromptError::NoOrdinaryTokens)?;
            let (ids, text) = words(input_tokens, &blocks, workload, vocabulary, key)?;
            made.token_ids = Some(ids);
            made.text = text;
            made.prefix = pieces(input_tokens, &blocks);
        }
    }
    Ok(made)
}

/// Blocks as pieces; the last one has what is left.
fn pieces(input_tokens: u32, blocks: &[u64]) -> Vec<PrefixPiece> {
    let mut left = input_tokens;
    let piece = |name: &u64| {
        let tokens = left.min(BLOCK_TOKENS);
        left -= tokens;
        PrefixPiece {
            name: *name,
            tokens,
        }
    };
    blocks.iter().map(piece).collect()
}

/// The turns of a row: those of a conversation, as many as `workload.turns` allows, and
/// of any other row the one that it has.
///
/// # Errors
/// See [`BuildError`].
pub fn turns_from_row(
    row: Row,
    workload: &WorkloadConfig,
    vocabulary: Option<&dyn Vocabulary>,
    key: PromptKey,
) -> Result<Vec<TurnPrompt>, BuildError> {
    let most = workload.turns.bounds().1 as usize;
    let recorded = match &row.content {
        Content::Conversation(turns) => turns.clone(),
        _ => Vec::new(),
    };
    let first = from_row(row, workload, vocabulary, key)?;
    let extras = first.extras.clone();
    let mut turns = vec![TurnPrompt {
        prompt: first,
        is_whole: true,
        answer: recorded.first().and_then(|turn| turn.answer.clone()),
    }];
    let encode = |text: &str| vocabulary.and_then(|vocabulary| vocabulary.encode(text));
    for Turn { question, answer } in recorded.into_iter().take(most).skip(1) {
        let ids = encode(&question);
        let recorded = answer.as_deref().and_then(encode);
        let most_tokens = workload.output_tokens.bounds().1;
        let output_tokens = recorded.map_or(most_tokens, |ids| ids.len() as u32);
        turns.push(TurnPrompt {
            prompt: Prompt {
                input_tokens: ids.as_ref().map(|ids| ids.len() as u32),
                token_ids: ids,
                text: Some(question),
                output_tokens: output_tokens.max(1),
                extras: extras.clone(),
                ..Prompt::default()
            },
            is_whole: false,
            answer,
        });
    }
    Ok(turns)
}

/// Tokens of so many: block by block, each from its own number alone, or all from the
/// request's key.
fn words(
    input_tokens: u32,
    blocks: &[u64],
    workload: &WorkloadConfig,
    vocabulary: &dyn Vocabulary,
    key: PromptKey,
) -> Result<(Vec<u32>, Option<String>), PromptError> {
    let mut rng = prompt::request_rng(workload, key);
    if blocks.is_empty() {
        return prompt::random_words(vocabulary, &mut rng, Vec::new(), input_tokens);
    }
    let mut ids = Vec::with_capacity(input_tokens as usize);
    for block in blocks {
        let seed = seed::derive(workload.seed, &[seed::BLOCK, *block]);
        let mut block_rng = ChaCha8Rng::seed_from_u64(seed);
        let left = (input_tokens as usize - ids.len()).min(BLOCK_TOKENS as usize);
        ids.extend(prompt::draw_ids(vocabulary, &mut block_rng, left)?);
    }
    prompt::random_words(vocabulary, &mut rng, ids, input_tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::prompt::IdRange;

    fn workload(json: &str) -> WorkloadConfig {
        serde_json::from_str(json).unwrap()
    }

    fn key(index: u64) -> PromptKey {
        PromptKey {
            block: 0,
            level: 0,
            index,
        }
    }

    /// One token for each word.
    struct Words;

    impl Vocabulary for Words {
        fn ordinary_ids(&self) -> &[u32] {
            &[1, 2, 3]
        }

        fn encode(&self, text: &str) -> Option<Vec<u32>> {
            Some(text.split(' ').map(|word| word.len() as u32).collect())
        }

        fn decode(&self, ids: &[u32]) -> Option<String> {
            let words: Vec<String> = ids.iter().map(|id| "x".repeat(*id as usize)).collect();
            Some(words.join(" "))
        }
    }

    fn made(input_tokens: u32, blocks: &[u64]) -> Row {
        Row::new(Content::Made {
            input_tokens,
            blocks: blocks.to_vec(),
        })
    }

    #[test]
    fn equal_blocks_are_equal_tokens_and_others_are_not() {
        let range = IdRange::new(0, 50_000);
        let ids = |blocks: &[u64], index| {
            let row = made(1100, blocks);
            let prompt = from_row(row, &workload("{}"), Some(&range), key(index)).unwrap();
            prompt.token_ids.unwrap()
        };
        let (one, two) = (ids(&[7, 8, 9], 0), ids(&[7, 5, 9], 1));
        assert_eq!(one.len(), 1100);
        assert_eq!(one[..512], two[..512]);
        assert_ne!(one[512..1024], two[512..1024]);
        // The last block is shorter, and has the beginning of its tokens.
        assert_eq!(one[1024..], two[1024..]);
        assert_eq!(ids(&[9, 1, 1], 2)[..76], one[1024..]);
    }

    #[test]
    fn without_blocks_every_request_has_words_of_its_own() {
        let range = IdRange::new(0, 50_000);
        let prompt =
            |index| from_row(made(64, &[]), &workload("{}"), Some(&range), key(index)).unwrap();
        assert_eq!(prompt(0).token_ids.unwrap().len(), 64);
        assert_ne!(prompt(0), prompt(1));
    }

    #[test]
    fn a_conversation_asks_its_first_question_for_as_long_an_answer() {
        let turn = Turn {
            question: "how are you".to_owned(),
            answer: Some("fine and you my friend".to_owned()),
        };
        let row = Row::new(Content::Conversation(vec![turn]));
        let prompt = from_row(row, &workload("{}"), Some(&Words), key(0)).unwrap();
        assert_eq!(prompt.text.as_deref(), Some("how are you"));
        assert_eq!((prompt.input_tokens, prompt.output_tokens), (Some(3), 5));
    }

    #[test]
    fn a_conversation_has_as_many_turns_as_it_may() {
        let turn = |question: &str, answer: &str| Turn {
            question: question.to_owned(),
            answer: Some(answer.to_owned()),
        };
        let all = vec![turn("a b", "c"), turn("d", "e f g"), turn("h", "i")];
        let row = Row {
            model: Some("lora".to_owned()),
            ..Row::new(Content::Conversation(all))
        };
        let two = workload(r#"{"prompts": "sharegpt", "turns": 2}"#);
        let turns = turns_from_row(row, &two, Some(&Words), key(0)).unwrap();
        let asked: Vec<_> = turns
            .iter()
            .map(|turn| {
                (
                    turn.prompt.text.as_deref().unwrap(),
                    turn.prompt.output_tokens,
                )
            })
            .collect();
        assert_eq!(asked, [("a b", 1), ("d", 3)]);
        assert_eq!(turns[1].answer.as_deref(), Some("e f g"));
        assert_eq!(turns[1].prompt.extras.model.as_deref(), Some("lora"));
    }

    #[test]
    fn blocks_are_the_pieces_that_others_may_begin_with() {
        let range = IdRange::new(0, 50_000);
        let prompt = from_row(
            made(1100, &[7, 8, 9]),
            &workload("{}"),
            Some(&range),
            key(0),
        );
        let pieces = prompt.unwrap().prefix;
        let pairs: Vec<_> = pieces
            .iter()
            .map(|piece| (piece.name, piece.tokens))
            .collect();
        assert_eq!(pairs, [(7, 512), (8, 512), (9, 76)]);
    }

    #[test]
    fn messages_are_sent_as_they_are_and_their_length_is_not_known() {
        let messages = vec![json!({"role": "user", "content": "a b"})];
        let row = Row {
            output_tokens: Some(9),
            model: Some("lora".to_owned()),
            ..Row::new(Content::Messages(messages.clone()))
        };
        let prompt = from_row(row, &workload("{}"), Some(&Words), key(0)).unwrap();
        assert_eq!(prompt.messages, Some(messages));
        assert_eq!((prompt.input_tokens, prompt.output_tokens), (None, 9));
        assert_eq!(prompt.extras.model.as_deref(), Some("lora"));
    }

    #[test]
    fn a_row_beyond_the_limits_is_left_out_with_the_reason() {
        let keep = workload(r#"{"prompts": "jsonl", "keep": {"min_input_tokens": 3}}"#);
        let row = || Row::new(Content::Text("a b".to_owned()));
        let error = from_row(row(), &keep, Some(&Words), key(0)).unwrap_err();
        assert_eq!(error.to_string(), "prompt shorter than 3 tokens");
        // Without a tokenizer its length is not known.
        assert!(from_row(row(), &keep, None, key(0)).is_ok());
    }
}
