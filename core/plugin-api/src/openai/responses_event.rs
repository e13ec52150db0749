//! The parts that matter of an event of `/v1/responses`, or of a whole answer.
//! Which events hold output is a table: [`DELTAS`].

use serde::de::MapAccess;
use serde_json::Value;

use super::lenient::{Fields, Filled, List, Object, Text, skip};
use super::parts::Parts;
use super::usage::UsageFields;
use crate::{OutputKind, Usage};

/// Events whose `delta` is output. The middle two are what gpt-oss' first servers and
/// gateways call the reasoning.
pub const DELTAS: [(&str, OutputKind); 9] = [
    ("response.output_text.delta", OutputKind::Text),
    ("response.refusal.delta", OutputKind::Text),
    ("response.reasoning_text.delta", OutputKind::Reasoning),
    (
        "response.reasoning_summary_text.delta",
        OutputKind::Reasoning,
    ),
    ("response.reasoning.delta", OutputKind::Reasoning),
    ("response.reasoning_summary.delta", OutputKind::Reasoning),
    (
        "response.function_call_arguments.delta",
        OutputKind::ToolCall,
    ),
    ("response.mcp_call_arguments.delta", OutputKind::ToolCall),
    (
        "response.custom_tool_call_input.delta",
        OutputKind::ToolCall,
    ),
];

/// Fields that hold something to read wherever they stand. In an event that is not
/// known they may be output that nobody sees.
const TELLING: &[&str] = &[
    "delta",
    "text",
    "content",
    "output_text",
    "refusal",
    "arguments",
    "reasoning",
    "input",
    "choices",
];

/// One event of a stream, or a whole answer.
#[derive(Debug, Default)]
pub(super) struct ResponseEvent<'a> {
    pub(super) kind: Text<'a>,
    pub(super) delta: Parts<'a>,
    pub(super) response: Object<Box<Answer<'a>>>,
    pub(super) item: Object<Item<'a>>,
    pub(super) error: Option<Value>,
    pub(super) message: Text<'a>,
    /// The first field that may hold output and holds something.
    pub(super) telling: Option<&'static str>,
    /// What stands in the event itself where it is a whole answer.
    pub(super) own: Answer<'a>,
}

impl<'de> Fields<'de> for ResponseEvent<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = map.next_value()?,
            "delta" => {
                self.delta = map.next_value()?;
                if self.delta.is_filled() {
                    self.telling.get_or_insert("delta");
                }
            }
            "response" => self.response = map.next_value()?,
            "item" => self.item = map.next_value()?,
            "error" => self.error = map.next_value()?,
            "message" => self.message = map.next_value()?,
            "sequence_number" | "item_id" | "output_index" | "content_index" => skip(map)?,
            _ if self.own.takes(key) => self.own.take(key, map)?,
            _ => self.note(key, map)?,
        }
        Ok(())
    }
}

impl ResponseEvent<'_> {
    fn note<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let Some(name) = TELLING.iter().find(|name| **name == key) else {
            return skip(map);
        };
        if map.next_value::<Filled>()?.0 {
            self.telling.get_or_insert(name);
        }
        Ok(())
    }

    /// The answer that it carries, in a field or as itself.
    pub(super) fn answer(&self) -> Option<&Answer<'_>> {
        let whole = || self.own.is_answer().then_some(&self.own);
        self.response.0.as_deref().or_else(whole)
    }
}

/// A response object: what an answer holds in all.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    object: Text<'a>,
    pub(super) status: Text<'a>,
    pub(super) output: List<Item<'a>>,
    usage: Object<UsageFields>,
    incomplete: Object<Incomplete<'a>>,
    pub(super) error: Option<Value>,
}

const ANSWER_FIELDS: &[&str] = &["object", "status", "output", "usage", "incomplete_details"];

impl<'de> Fields<'de> for Answer<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "object" => self.object = map.next_value()?,
            "status" => self.status = map.next_value()?,
            "output" => self.output = map.next_value()?,
            "usage" => self.usage = map.next_value()?,
            "incomplete_details" => self.incomplete = map.next_value()?,
            "error" => self.error = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl Answer<'_> {
    fn takes(&self, key: &str) -> bool {
        ANSWER_FIELDS.contains(&key)
    }

    fn is_answer(&self) -> bool {
        self.object.filled() == Some("response") || !matches!(self.output, List::Absent)
    }

    /// Its token counts; `None` if it has none.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = self.usage.0.as_ref().map(UsageFields::usage)?;
        (usage != Usage::default()).then_some(usage)
    }

    /// Why it is not complete, if it says so.
    pub(super) fn incomplete_reason(&self) -> Option<&str> {
        self.incomplete.0.as_ref()?.reason.filled()
    }
}

#[derive(Debug, Default)]
struct Incomplete<'a> {
    reason: Text<'a>,
}

impl<'de> Fields<'de> for Incomplete<'de> {
    fn from_text(reason: Text<'de>) -> Option<Self> {
        Some(Self { reason })
    }

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "reason" => self.reason = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// An item of the output: a message, the reasoning, a call.
#[derive(Debug, Default)]
pub(super) struct Item<'a> {
    kind: Text<'a>,
    content: Parts<'a>,
    summary: Parts<'a>,
    pub(super) name: Text<'a>,
    pub(super) arguments: Text<'a>,
}

impl<'de> Fields<'de> for Item<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = map.next_value()?,
            "content" | "text" => self.content = map.next_value()?,
            "summary" => self.summary = map.next_value()?,
            "name" => self.name = map.next_value()?,
            "arguments" | "input" => self.arguments = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl Item<'_> {
    /// Whether it calls a function or a tool.
    pub(super) fn is_call(&self) -> bool {
        self.kind
            .filled()
            .is_some_and(|kind| kind.ends_with("call"))
    }

    fn is_reasoning(&self) -> bool {
        self.kind.filled() == Some("reasoning")
    }

    /// Its reasoning and its text.
    pub(super) fn texts(&self) -> (String, String) {
        let text = self.content.text.filled().unwrap_or_default();
        let mut reasoning = self.summary.text.filled().unwrap_or_default().to_owned();
        reasoning.push_str(&self.summary.reasoning);
        reasoning.push_str(&self.content.reasoning);
        if self.is_reasoning() {
            reasoning.push_str(text);
            return (reasoning, String::new());
        }
        (reasoning, text.to_owned())
    }
}
