//! The section `workload`: what is asked in each request.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::images::ImagesConfig;
use super::length::Length;
use super::pause::Pause;
use super::sampling::Sampling;
use super::slo::SloConfig;

/// The prompts and answers of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadConfig {
    /// Where prompts come from.
    pub prompts: PromptSource,
    /// File of the prompts, for every source but `synthetic`.
    pub file: Option<String>,
    /// Format of a `trace`; found from its first row if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<TraceFormat>,
    /// Names that the fields of a `jsonl` file have, by the names that they have here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// Rows of a file that are used, by their lengths.
    #[serde(skip_serializing_if = "KeepConfig::is_empty")]
    pub keep: KeepConfig,
    /// Prompt length in tokens.
    pub input_tokens: Length,
    /// Answer length in tokens.
    pub output_tokens: Length,
    /// Table of prompt and answer lengths, in place of `input_tokens` and
    /// `output_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lengths: Option<LengthsConfig>,
    /// Leading tokens that prompts of a level share.
    pub shared_prefix_tokens: u32,
    /// Groups of prompts with a shared prefix each.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "is_one")]
    pub prefix_groups: u32,
    /// Turns of a conversation: requests that carry what was said before. Of recorded
    /// conversations, at most so many.
    pub turns: Length,
    /// Length of what is new in a later turn, tokens; that of `input_tokens` if it is not
    /// given. Synthetic conversations only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_input_tokens: Option<Length>,
    /// Pause between an answer and the next turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_time: Option<Pause>,
    /// Turns that come from a tool and not from a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<ToolCallsConfig>,
    /// Whose answers later turns carry.
    #[serde(skip_serializing_if = "Answers::are_the_models")]
    pub answers: Answers,
    /// Whether a backend's prefix cache is emptied before each cell.
    #[serde(skip_serializing_if = "PrefixCache::is_reset")]
    pub prefix_cache: PrefixCache,
    /// Seed of the prompts.
    pub seed: u64,
    /// Force every answer to `output_tokens` (the end-of-sequence token is ignored).
    pub force_output: bool,
    /// How the next token is picked.
    #[serde(skip_serializing_if = "Sampling::is_greedy")]
    pub sampling: Sampling,
    /// Images before the text of the user's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesConfig>,
    /// Kinds of requests in one load, each with figures and limits of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassConfig>,
}

/// One class of traffic: made from a workload of its own, or the rows of a file that name
/// it in their field `class`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Name of the class, unique.
    pub name: String,
    /// Share of the requests, against the weights of the other classes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// What its requests ask. Either every class has one, or none: then rows of the file
    /// say which class they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Box<WorkloadConfig>>,
    /// Service-level objectives of its requests, in place of the run's `slo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloConfig>,
    /// Name under which the server has its model, such as a LoRA adapter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Fields for the body of its requests.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra_body: Map<String, Value>,
}

fn one() -> u32 {
    1
}

impl Default for WorkloadConfig {
    fn default() -> Self {
        Self {
            prompts: PromptSource::Synthetic,
            file: None,
            format: None,
            fields: BTreeMap::new(),
            keep: KeepConfig::default(),
            input_tokens: Length::Fixed(512),
            output_tokens: Length::Fixed(128),
            lengths: None,
            shared_prefix_tokens: 0,
            prefix_groups: 1,
            turns: Length::Fixed(1),
            turn_input_tokens: None,
            think_time: None,
            tool_calls: None,
            answers: Answers::Model,
            prefix_cache: PrefixCache::Reset,
            seed: 42,
            force_output: true,
            sampling: Sampling::Greedy,
            images: None,
            classes: Vec::new(),
        }
    }
}

impl WorkloadConfig {
    /// Longest prompt, tokens, whose length is drawn from the config: that of a
    /// conversation's last turn, with all that was said before.
    #[must_use]
    pub fn longest_prompt(&self) -> u64 {
        let longest = |length: Length| u64::from(length.bounds().1);
        let later = longest(self.turn_input_tokens.unwrap_or(self.input_tokens));
        let each = longest(self.output_tokens).saturating_add(later);
        let turns = longest(self.turns).saturating_sub(1);
        longest(self.input_tokens).saturating_add(turns.saturating_mul(each))
    }

    /// Whether lengths are drawn from its own keys: not from a file's rows or a table.
    #[must_use]
    pub fn has_lengths_of_its_own(&self) -> bool {
        self.prompts.draws_lengths() && self.lengths.is_none()
    }

    /// Prompt and answer of the longest request, tokens, of those whose lengths are drawn
    /// from the config; `None` if there is none.
    #[must_use]
    pub fn longest_request(&self) -> Option<(u64, u64)> {
        let parts = self.parts().into_iter().map(|(_, part)| part);
        let drawn = parts.filter(|part| part.has_lengths_of_its_own());
        let each = drawn.map(|part| {
            let answer = u64::from(part.output_tokens.bounds().1);
            (part.longest_prompt(), answer)
        });
        each.max_by_key(|(prompt, answer)| prompt.saturating_add(*answer))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

/// Turns of a conversation that come from a tool: a program's answer, after its own pause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCallsConfig {
    /// Share of the later turns, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Pause before such a turn.
    pub pause: Pause,
}

/// Whose answers the later turns of a conversation carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// What the backend itself has answered.
    #[default]
    Model,
    /// What the file says was answered, so that every backend gets the same bytes.
    Recorded,
}

impl Answers {
    /// Whether they are the backend's own.
    #[must_use]
    pub fn are_the_models(&self) -> bool {
        *self == Self::Model
    }
}

/// What becomes of a backend's prefix cache before a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrefixCache {
    /// It is emptied, where the backend can.
    #[default]
    Reset,
    /// It keeps what earlier cells have left in it.
    Keep,
}

impl PrefixCache {
    /// Whether it is emptied.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        *self == Self::Reset
    }
}

/// Where prompts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptSource {
    /// Made from the seed, of exactly the asked length.
    #[default]
    Synthetic,
    /// One JSON object a line, with `prompt`, `messages` or `conversations`.
    Jsonl,
    /// Recorded conversations of `from` and `value`.
    Sharegpt,
    /// Recorded traffic: times and lengths.
    Trace,
    /// Pieces of a text file.
    Text,
}

impl PromptSource {
    /// Its name in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Jsonl => "jsonl",
            Self::Sharegpt => "sharegpt",
            Self::Trace => "trace",
            Self::Text => "text",
        }
    }

    /// Whether lengths are drawn from the config, and not taken from a file's rows.
    #[must_use]
    pub fn draws_lengths(self) -> bool {
        matches!(self, Self::Synthetic | Self::Text)
    }

    /// Whether each prompt is a row of a file, taken in order.
    #[must_use]
    pub fn lists_rows(self) -> bool {
        matches!(self, Self::Jsonl | Self::Sharegpt | Self::Trace)
    }
}

/// Format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// JSON lines with `timestamp` (ms), `input_length`, `output_length`, `hash_ids`.
    Mooncake,
    /// CSV with `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`.
    Azure,
    /// CSV with `Timestamp` (s), `Request tokens`, `Response tokens`.
    Burstgpt,
}

impl TraceFormat {
    /// Its name in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mooncake => "mooncake",
            Self::Azure => "azure",
            Self::Burstgpt => "burstgpt",
        }
    }
}

/// Fields of a row of `jsonl`, by the names that they have here. Each may have another name in the
/// file.
pub const ROW_FIELDS: [&str; 12] = [
    "prompt",
    "prompt_token_ids",
    "messages",
    "conversations",
    "output_tokens",
    "timestamp",
    "session",
    "class",
    "model",
    "tools",
    "response_format",
    "extra_body",
];

/// Rows of a file that are used; others are left out and counted. A length that is not
/// known leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepConfig {
    /// Shortest prompt, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_input_tokens: Option<u32>,
    /// Longest prompt, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u32>,
    /// Shortest answer, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_output_tokens: Option<u32>,
    /// Longest answer, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// Longest prompt and answer together, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_total_tokens: Option<u32>,
}

impl KeepConfig {
    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A table of lengths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthsConfig {
    /// CSV with a header `input_tokens,output_tokens`, and `,weight` if rows are not
    /// equally frequent.
    pub file: String,
    /// Draw the answer's length from another row than the prompt's.
    #[serde(default)]
    pub apart: bool,
}
