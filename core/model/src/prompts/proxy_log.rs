//! The log of an OpenAI-compatible proxy without its text: when requests came, how long
//! prompts and answers were, and which prompts begin alike.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::row::{BLOCK_TOKENS, RowFault, object};

/// Characters of a prompt that stand for one block of tokens.
const BLOCK_CHARS: usize = 4 * BLOCK_TOKENS as usize;

/// What a row of a log must be.
const EXPECTED: &str = "a request with `messages`, `prompt` or `input`, and its `usage`";

/// Where proxies put the request, the answer and their numbers: beside everything else, or
/// in one of these objects.
const REQUEST: [&str; 5] = ["request", "request_body", "requestBody", "body", "kwargs"];
const ANSWER: [&str; 4] = ["response", "response_body", "responseBody", "response_obj"];
const PROMPT: [&str; 3] = ["messages", "prompt", "input"];
const INPUT_TOKENS: [&str; 2] = ["prompt_tokens", "input_tokens"];
const OUTPUT_TOKENS: [&str; 2] = ["completion_tokens", "output_tokens"];
const TIME: [&str; 9] = [
    "timestamp",
    "startTime",
    "start_time",
    "created_at",
    "created",
    "time",
    "ts",
    "request_time",
    "@timestamp",
];

/// A request of a log without its text, as a row of a trace in Mooncake's form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceRow {
    /// Time after the first request of the log, ms; as long as others may come before it,
    /// time since 1970.
    pub timestamp: f64,
    /// Prompt tokens.
    pub input_length: u32,
    /// Answer tokens.
    pub output_length: u32,
    /// Numbers of the blocks that the prompt is made of. Prompts that begin with the same
    /// text begin with the same numbers.
    pub hash_ids: Vec<u64>,
}

/// Takes the text out of a log, row by row.
#[derive(Debug)]
pub struct TextRemover {
    /// Makes the hashes of one log useless for any other.
    salt: [u8; 16],
    /// Numbers by the hash of all text up to the end of a block.
    numbers: HashMap<[u8; 16], u64>,
    next: u64,
}

impl TextRemover {
    /// `salt`: random bytes that nobody knows and nobody keeps.
    #[must_use]
    pub fn new(salt: [u8; 16]) -> Self {
        Self {
            salt,
            numbers: HashMap::new(),
            next: 0,
        }
    }

    /// The row of a request of the log.
    ///
    /// # Errors
    /// See [`RowFault`]: a row that is no JSON object is wrong; one without what a trace
    /// needs, such as a failed request, is left out.
    pub fn read(&mut self, row: &[u8]) -> Result<TraceRow, RowFault> {
        let fields = object(row, EXPECTED)?;
        let dropped = |why: &str| RowFault::Dropped(why.to_owned());
        let number = |names: &[&str]| find(&fields, &ANSWER, names, Value::as_u64);
        let tokens = |names: &[&str]| number(names).and_then(|n| u32::try_from(n).ok());
        let input_length = tokens(&INPUT_TOKENS).filter(|n| *n > 0);
        let input_length = input_length.ok_or_else(|| dropped("no count of prompt tokens"))?;
        let output_length = tokens(&OUTPUT_TOKENS).filter(|n| *n > 0);
        let output_length = output_length.ok_or_else(|| dropped("no answer, or no count of it"))?;
        let at_s = find(&fields, &[], &TIME, seconds).ok_or_else(|| dropped("no time"))?;
        let prompt = find(&fields, &REQUEST, &PROMPT, |value| Some(value.clone()));
        Ok(TraceRow {
            timestamp: at_s * 1e3,
            input_length,
            output_length,
            hash_ids: self.blocks(prompt.as_ref(), input_length),
        })
    }

    /// A number for each block of the prompt; a block without text has one of its own.
    fn blocks(&mut self, prompt: Option<&Value>, input_length: u32) -> Vec<u64> {
        let mut text = String::new();
        if let Some(prompt) = prompt {
            add_text(prompt, &mut text);
        }
        let mut hash = Sha256::new_with_prefix(self.salt);
        let mut rest: &str = &text;
        let blocks = 0..input_length.div_ceil(BLOCK_TOKENS);
        let numbers = blocks.map(|_| {
            let end = rest.char_indices().nth(BLOCK_CHARS).map(|(at, _)| at);
            let (block, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            if block.is_empty() {
                return self.new_number();
            }
            hash.update(block);
            let mut key = [0; 16];
            key.copy_from_slice(&hash.clone().finalize()[..16]);
            match self.numbers.get(&key) {
                Some(number) => *number,
                None => {
                    let number = self.new_number();
                    self.numbers.insert(key, number);
                    number
                }
            }
        });
        numbers.collect()
    }

    fn new_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

/// Puts rows into the order of their times, and counts these from the first. Logs are
/// mostly in the order in which answers ended.
pub fn put_in_order(rows: &mut [TraceRow]) {
    rows.sort_by(|a, b| a.timestamp.total_cmp(&b.timestamp));
    let first_ms = rows.first().map_or(0.0, |row| row.timestamp);
    for row in rows {
        row.timestamp = (row.timestamp - first_ms).round();
    }
}

/// The first field of these names that `read` can read: of the row itself, of its `usage`,
/// or of one of the objects `within` and their `usage`.
fn find<T>(
    row: &Map<String, Value>,
    within: &[&str],
    names: &[&str],
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let inner = within.iter().filter_map(|name| row.get(*name)?.as_object());
    let objects = std::iter::once(row).chain(inner);
    let with_usage = objects.flat_map(|object| {
        let usage = object.get("usage").and_then(Value::as_object);
        std::iter::once(object).chain(usage)
    });
    let mut values =
        with_usage.flat_map(|object| names.iter().filter_map(|name| object.get(*name)));
    values.find_map(read)
}

/// Seconds of a time: a number of seconds or, if it is too large for that, of milliseconds;
/// or a text such as `2026-01-31T10:00:00Z`.
fn seconds(value: &Value) -> Option<f64> {
    const LATEST_S: f64 = 1e11;
    match value {
        Value::String(text) => super::trace::seconds(text),
        value => {
            let number = value.as_f64().filter(|n| *n >= 0.0)?;
            Some(if number > LATEST_S {
                number / 1e3
            } else {
                number
            })
        }
    }
}

/// Adds all text of a prompt, in its order, with what tells its parts apart.
fn add_text(value: &Value, text: &mut String) {
    match value {
        Value::String(part) => {
            text.push_str(part);
            text.push('\u{1f}');
        }
        Value::Array(parts) => parts.iter().for_each(|part| add_text(part, text)),
        Value::Object(fields) => fields.values().for_each(|part| add_text(part, text)),
        Value::Number(id) => text.push_str(&format!("{id} ")),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::TraceFormat;
    use crate::prompts::row::Content;
    use crate::prompts::trace::TraceReader;

    fn remover() -> TextRemover {
        TextRemover::new([7; 16])
    }

    fn read(remover: &mut TextRemover, row: &Value) -> TraceRow {
        remover.read(row.to_string().as_bytes()).unwrap()
    }

    fn logged(text: &str, tokens: u32, at: Value) -> Value {
        json!({
            "timestamp": at, "request": {"messages": [{"role": "user", "content": text}]},
            "response": {"usage": {"prompt_tokens": tokens, "completion_tokens": 9}},
        })
    }

    #[test]
    fn prompts_that_begin_alike_have_the_same_first_numbers() {
        let mut remover = remover();
        let common = "x".repeat(BLOCK_CHARS);
        let one = read(
            &mut remover,
            &logged(&(common.clone() + "a"), 600, json!(10.0)),
        );
        let two = read(
            &mut remover,
            &logged(&(common.clone() + "b"), 700, json!(10.5)),
        );
        let again = read(&mut remover, &logged(&(common + "a"), 600, json!(11.25)));
        assert_eq!((one.input_length, one.output_length), (600, 9));
        assert_eq!((one.hash_ids.len(), two.hash_ids.len()), (2, 2));
        assert_eq!(one.hash_ids[0], two.hash_ids[0]);
        assert_ne!(one.hash_ids[1], two.hash_ids[1]);
        assert_eq!(again.hash_ids, one.hash_ids);
        let mut rows = [again, one, two];
        put_in_order(&mut rows);
        let times: Vec<f64> = rows.iter().map(|row| row.timestamp).collect();
        assert_eq!(times, [0.0, 500.0, 1250.0]);
    }

    #[test]
    fn nothing_of_the_text_is_left_and_the_row_is_one_of_a_trace() {
        let row = read(
            &mut remover(),
            &logged("secret words", 12, json!("2026-01-31T10:00:00Z")),
        );
        let mut rows = [row];
        put_in_order(&mut rows);
        let line = serde_json::to_string(&rows[0]).unwrap();
        assert_eq!(
            line,
            r#"{"timestamp":0.0,"input_length":12,"output_length":9,"hash_ids":[0]}"#
        );
        let reader = TraceReader::from_first(line.as_bytes(), None).unwrap();
        assert_eq!(reader.format(), TraceFormat::Mooncake);
        let read = reader.read(line.as_bytes()).unwrap();
        let made = Content::Made {
            input_tokens: 12,
            blocks: vec![0],
        };
        assert_eq!((read.content, read.output_tokens), (made, Some(9)));
    }

    #[test]
    fn fields_are_found_where_proxies_put_them() {
        for row in [
            json!({"created": 5, "prompt": "a", "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            json!({"startTime": 1_700_000_000_123_u64, "messages": [], "prompt_tokens": 3, "completion_tokens": 2}),
            json!({"time": "2026-01-31 10:00:00.5", "body": {"input": "a"}, "response_obj": {"usage": {"input_tokens": 3, "output_tokens": 2}}}),
            json!({"timestamp": 1.0, "prompt": [1, 2, 3], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        ] {
            let found = read(&mut remover(), &row);
            assert_eq!((found.input_length, found.output_length), (3, 2), "{row}");
            assert_eq!(found.hash_ids, [0], "{row}");
        }
    }

    #[test]
    fn rows_that_cannot_be_in_a_trace_are_left_out_with_the_reason() {
        let reason = |row: &str| remover().read(row.as_bytes()).unwrap_err();
        let dropped = |why: &str| RowFault::Dropped(why.to_owned());
        assert_eq!(
            reason(r#"{"timestamp": 1, "prompt": "a"}"#),
            dropped("no count of prompt tokens")
        );
        assert_eq!(
            reason(r#"{"timestamp": 1, "usage": {"prompt_tokens": 5, "completion_tokens": 0}}"#),
            dropped("no answer, or no count of it")
        );
        assert_eq!(
            reason(
                r#"{"timestamp": "soon", "usage": {"prompt_tokens": 5, "completion_tokens": 1}}"#
            ),
            dropped("no time")
        );
        assert!(matches!(reason("[1"), RowFault::Wrong(_)));
    }

    #[test]
    fn another_salt_makes_other_hashes_and_the_same_numbers() {
        let rows = |salt| {
            let mut remover = TextRemover::new([salt; 16]);
            let row = read(&mut remover, &logged("a", 5, json!(1)));
            (row, remover.numbers)
        };
        let ((one, hashes), (two, others)) = (rows(1), rows(2));
        assert_eq!(one, two);
        assert_ne!(hashes, others);
    }
}
