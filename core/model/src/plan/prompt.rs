//! Prompts: made from the seed, of exactly the asked length. The prompt of a
//! request is a pure function of (seed, block, level, index), the same for
//! every backend.

mod draws;
mod synthetic;
mod vocabulary;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub use draws::{asked_lengths, draw_ids, draw_lengths, prefix_group, request_rng};
pub use synthetic::{random_words, synthetic};
pub use vocabulary::{IdRange, Vocabulary};

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
    #[error("a piece of the text has {has} tokens, {tokens} are asked for: the text is too short")]
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
