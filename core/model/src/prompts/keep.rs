//! Which rows of a file are used: by the lengths of prompt and answer.

use crate::config::KeepConfig;

impl KeepConfig {
    /// Why a request with these lengths, tokens, is left out; `None` if it is kept. A
    /// length that is not known leaves nothing out.
    #[must_use]
    pub fn reason_to_drop(&self, input: Option<u32>, output: Option<u32>) -> Option<String> {
        let below = |what: &str, length: Option<u32>, limit: Option<u32>| {
            let limit = limit.filter(|limit| length.is_some_and(|n| n < *limit))?;
            Some(format!("{what} shorter than {limit} tokens"))
        };
        let above = |what: &str, length: Option<u32>, limit: Option<u32>| {
            let limit = limit.filter(|limit| length.is_some_and(|n| n > *limit))?;
            Some(format!("{what} longer than {limit} tokens"))
        };
        let both = input.zip(output);
        let total = both.map(|(input, output)| input.saturating_add(output));
        below("prompt", input, self.min_input_tokens)
            .or_else(|| above("prompt", input, self.max_input_tokens))
            .or_else(|| below("answer", output, self.min_output_tokens))
            .or_else(|| above("answer", output, self.max_output_tokens))
            .or_else(|| above("prompt and answer", total, self.max_total_tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_is_broken_is_named() {
        let keep = KeepConfig {
            min_input_tokens: Some(4),
            max_input_tokens: Some(100),
            min_output_tokens: Some(2),
            max_output_tokens: Some(50),
            max_total_tokens: Some(120),
        };
        for (input, output, reason) in [
            (Some(4), Some(2), None),
            (Some(3), Some(2), Some("prompt shorter than 4 tokens")),
            (Some(101), None, Some("prompt longer than 100 tokens")),
            (None, Some(1), Some("answer shorter than 2 tokens")),
            (Some(4), Some(51), Some("answer longer than 50 tokens")),
            (
                Some(90),
                Some(31),
                Some("prompt and answer longer than 120 tokens"),
            ),
            (None, None, None),
        ] {
            assert_eq!(keep.reason_to_drop(input, output).as_deref(), reason);
        }
    }
}
