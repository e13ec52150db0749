//! The table of prompt sources: what `workload.prompts` may name.

use crate::config::PromptSource;

/// One source of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceInfo {
    pub source: PromptSource,
    /// What it makes prompts of.
    pub about: &'static str,
    /// What its file holds; absent for a source without a file.
    pub file: Option<&'static str>,
    /// Keys of `workload` that this source uses, beside those that all use.
    pub keys: &'static [&'static str],
}

/// All sources, in the order in which they are shown.
pub const SOURCES: [SourceInfo; 5] = [
    SourceInfo {
        source: PromptSource::Synthetic,
        about: "random words of the model's vocabulary, of exactly the asked length",
        file: None,
        keys: &[
            "input_tokens",
            "output_tokens",
            "lengths",
            "shared_prefix_tokens",
            "prefix_groups",
        ],
    },
    SourceInfo {
        source: PromptSource::Jsonl,
        about: "your own requests, as text, chat messages, conversations or token ids",
        file: Some("one JSON object a line, with `prompt`, `messages` or `conversations`"),
        keys: &["file", "fields", "keep", "output_tokens"],
    },
    SourceInfo {
        source: PromptSource::Sharegpt,
        about: "first questions of recorded conversations, with the length of the recorded answers",
        file: Some(
            "a JSON array, or one JSON object a line, with `conversations` of `from` and `value`",
        ),
        keys: &["file", "keep", "output_tokens"],
    },
    SourceInfo {
        source: PromptSource::Trace,
        about: "lengths and times of recorded traffic; the words are random",
        file: Some(
            "a trace of Mooncake (JSON lines), of Azure's LLM inference or of BurstGPT (CSV)",
        ),
        keys: &["file", "format", "keep"],
    },
    SourceInfo {
        source: PromptSource::Text,
        about: "pieces of a text file of yours, from places drawn from the seed",
        file: Some("plain text in UTF-8"),
        keys: &["file", "input_tokens", "output_tokens", "lengths"],
    },
];

impl PromptSource {
    /// The row of this source.
    #[must_use]
    pub fn info(self) -> &'static SourceInfo {
        // The test below holds that every source has a row.
        let found = SOURCES.iter().find(|info| info.source == self);
        found.unwrap_or(&SOURCES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_row_under_its_own_name() {
        for info in &SOURCES {
            let name = serde_json::to_value(info.source).unwrap();
            assert_eq!(name, info.source.name());
            assert_eq!(info.source.info(), info);
            let wants_file = info.source != PromptSource::Synthetic;
            assert_eq!(info.file.is_some(), wants_file);
            assert_eq!(info.keys.contains(&"file"), wants_file);
        }
    }
}
