//! The parts of an answer that matter, as types; everything else is skipped.

use serde::Deserialize;
use serde_json::Value;

use super::lenient::{Count, Text};
use crate::{OutputKind, Usage};

/// One chunk of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    pub(super) usage: Option<UsageFields>,
    pub(super) error: Option<Value>,
    #[serde(borrow)]
    pub(super) object: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    #[serde(borrow)]
    pub(super) detail: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) delta: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
}

/// A delta of a stream or the message of a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) content: Text<'a>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
}

impl<'a> Content<'a> {
    /// The text, if it is the only output here.
    pub(super) fn one_text(&self) -> Option<(&Text<'a>, OutputKind)> {
        if self.tool_calls.is_some() || self.function_call.is_some() {
            return None;
        }
        let fields = [
            (&self.content, OutputKind::Text),
            (&self.refusal, OutputKind::Text),
            (&self.reasoning_content, OutputKind::Reasoning),
            (&self.reasoning, OutputKind::Reasoning),
        ];
        let mut filled = fields
            .into_iter()
            .filter(|(text, _)| text.filled().is_some());
        let one = filled.next()?;
        filled.next().is_none().then_some(one)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCall<'a> {
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageFields {
    prompt_tokens: Count,
    completion_tokens: Count,
    /// SGLang's place for it.
    reasoning_tokens: Count,
    prompt_tokens_details: Option<Details>,
    completion_tokens_details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl UsageFields {
    pub(super) fn usage(&self) -> Usage {
        let prompt = self.prompt_tokens_details.as_ref();
        let answer = self.completion_tokens_details.as_ref();
        Usage {
            input_tokens: self.prompt_tokens.0,
            output_tokens: self.completion_tokens.0,
            cached_tokens: prompt.and_then(|details| details.cached_tokens.0),
            reasoning_tokens: answer
                .and_then(|details| details.reasoning_tokens.0)
                .or(self.reasoning_tokens.0),
        }
    }
}
