//! One request as a file lists it, and why a row cannot be used.

use serde_json::{Map, Value};
use thiserror::Error;

/// One request as a file lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub content: Content,
    /// Answer length, tokens, if the row says it.
    pub output_tokens: Option<u32>,
    /// Time at which it came, s after the source's own zero.
    pub at_s: Option<f64>,
    /// Name of the conversation that it belongs to.
    pub session: Option<String>,
    /// Name of the kind of traffic that it belongs to.
    pub class: Option<String>,
    /// Name under which its model is served, such as an adapter's.
    pub model: Option<String>,
    /// Fields for the body of its request: tools, a response format, others.
    pub body: Map<String, Value>,
}

/// What a row asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Token ids, and their text if it is known.
    TokenIds(Vec<u32>, Option<String>),
    /// Chat messages in OpenAI's form, sent as they are.
    Messages(Vec<Value>),
    /// Questions with the answers that were given.
    Conversation(Vec<Turn>),
    /// Lengths alone: the words are made.
    Made {
        /// Prompt length, tokens.
        input_tokens: u32,
        /// What it is made of, in blocks of [`BLOCK_TOKENS`]: equal numbers are equal
        /// tokens. Empty if nothing is said.
        blocks: Vec<u64>,
    },
}

/// Tokens of one block of a trace.
pub const BLOCK_TOKENS: u32 = 512;

/// One question of a conversation, and the answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub question: String,
    pub answer: Option<String>,
}

impl Row {
    /// A row that says nothing but its content.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self {
            content,
            output_tokens: None,
            at_s: None,
            session: None,
            class: None,
            model: None,
            body: Map::new(),
        }
    }
}

/// Why a row gives no request.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RowFault {
    /// It is not what the format says: the file is wrong.
    #[error("{0}")]
    Wrong(String),
    /// It is as it may be, and left out; rows are counted by these words.
    #[error("{0}")]
    Dropped(String),
}

impl RowFault {
    /// A row that is `found` where `expected` belongs.
    pub(crate) fn wrong(found: &str, expected: &str) -> Self {
        Self::Wrong(format!("{found}, expected {expected}"))
    }
}

/// The beginning of a row, as an error shows it.
#[must_use]
pub fn beginning(row: &[u8]) -> String {
    const SHOWN: usize = 60;
    let text = String::from_utf8_lossy(&row[..row.len().min(4 * SHOWN)]);
    let shown: String = text.chars().take(SHOWN).collect();
    let cut = if shown.len() < text.len() { "…" } else { "" };
    let plain: String = shown
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("`{}{cut}`", plain.trim_end())
}

/// What a value is, in a word or two.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A JSON object, or what the row is in its place.
pub(crate) fn object(row: &[u8], expected: &str) -> Result<Map<String, Value>, RowFault> {
    match serde_json::from_slice(row) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(RowFault::wrong(&format!("is {}", beginning(row)), expected)),
        Err(error) => Err(RowFault::wrong(
            &format!("is not JSON ({error}): {}", beginning(row)),
            expected,
        )),
    }
}

/// `value` as a whole number of tokens.
pub(crate) fn tokens(name: &str, value: &Value) -> Result<u32, RowFault> {
    let number = value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0)?;
        Some(float as u64)
    });
    number
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| RowFault::wrong(&format!("`{name}` is {value}"), "a whole number of tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_beginning_is_short_and_plain() {
        assert_eq!(beginning(b"a\tb\x1b[31m"), "`a b [31m`");
        let long = beginning("é".repeat(500).as_bytes());
        assert_eq!(long.chars().count(), 63);
        assert!(long.ends_with("…`"));
    }

    #[test]
    fn tokens_are_whole_numbers_however_they_are_written() {
        let tokens = |json: &str| tokens("n", &serde_json::from_str(json).unwrap());
        assert_eq!(tokens("12"), Ok(12));
        assert_eq!(tokens("12.0"), Ok(12));
        for bad in ["-1", "1.5", "\"12\"", "null", "5000000000"] {
            let error = tokens(bad).unwrap_err().to_string();
            let expected = format!("`n` is {bad}, expected a whole number of tokens");
            assert_eq!(error, expected);
        }
    }
}
