//! Azure's traces of LLM inference: time of day, prompt and answer lengths.

use super::{columns, made};
use crate::prompts::row::{Row, RowFault};

/// Where the columns are.
#[derive(Debug, Clone)]
pub(super) struct Header {
    columns: usize,
    time: usize,
    input: usize,
    output: usize,
}

impl Header {
    pub(super) fn find(line: &str) -> Option<Self> {
        let names = columns::split(line);
        Some(Self {
            columns: names.len(),
            time: columns::position(&names, "TIMESTAMP")?,
            input: columns::position(&names, "ContextTokens")?,
            output: columns::position(&names, "GeneratedTokens")?,
        })
    }

    pub(super) fn read(&self, row: &[u8]) -> Result<Row, RowFault> {
        let found = columns::row(row, self.columns)?;
        let at_s = seconds(found[self.time]).ok_or_else(|| {
            let text = format!("`TIMESTAMP` is `{}`", found[self.time]);
            RowFault::wrong(&text, "a time such as `2023-11-16 18:17:03.979`")
        })?;
        let input_tokens = columns::tokens("ContextTokens", found[self.input])?;
        let output_tokens = columns::tokens("GeneratedTokens", found[self.output])?;
        made(at_s, (input_tokens, output_tokens), Vec::new())
    }
}

/// Seconds of a time, with or without an offset, since 1970.
fn seconds(text: &str) -> Option<f64> {
    let with_t = text.replacen(' ', "T", 1);
    let timestamp: Option<jiff::Timestamp> = with_t.parse().ok();
    let timestamp = timestamp.or_else(|| {
        let civil: jiff::civil::DateTime = with_t.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(timestamp.as_nanosecond() as f64 / 1e9)
}
