//! Azure's traces of LLM inference: time of day, prompt and answer lengths.

use super::{columns, made, seconds};
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
