//! BurstGPT's traces: seconds, prompt and answer lengths; newer ones name the
//! conversation, too.

use super::{columns, made};
use crate::prompts::row::{Row, RowFault};

/// Where the columns are.
#[derive(Debug, Clone)]
pub(super) struct Header {
    columns: usize,
    time: usize,
    input: usize,
    output: usize,
    session: Option<usize>,
}

impl Header {
    pub(super) fn find(line: &str) -> Option<Self> {
        let names = columns::split(line);
        Some(Self {
            columns: names.len(),
            time: columns::position(&names, "Timestamp")?,
            input: columns::position(&names, "Request tokens")?,
            output: columns::position(&names, "Response tokens")?,
            session: columns::position(&names, "Session ID"),
        })
    }

    pub(super) fn read(&self, row: &[u8]) -> Result<Row, RowFault> {
        let found = columns::row(row, self.columns)?;
        let time = found[self.time];
        let at_s: Option<f64> = time.parse().ok();
        let at_s = at_s.filter(|s| s.is_finite() && *s >= 0.0).ok_or_else(|| {
            let text = format!("`Timestamp` is `{time}`");
            RowFault::wrong(&text, "seconds, as a number of 0 or more")
        })?;
        let input_tokens = columns::tokens("Request tokens", found[self.input])?;
        let output_tokens = columns::tokens("Response tokens", found[self.output])?;
        let mut made = made(at_s, (input_tokens, output_tokens), Vec::new())?;
        let session = self.session.map(|at| found[at]);
        made.session = session.filter(|s| !s.is_empty()).map(str::to_owned);
        Ok(made)
    }
}
