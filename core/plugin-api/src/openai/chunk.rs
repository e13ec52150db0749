//! The parts of an answer that matter, as types; everything else is skipped. Where
//! output stands is two tables: [`CHOICE_FIELDS`] and [`CONTENT_FIELDS`].

use std::borrow::Cow;

use serde::de::MapAccess;
use serde_json::Value;

use super::lenient::{Fields, Filled, List, Object, Text, skip};
use super::parts::Parts;
use super::usage::{Timings, UsageFields};
use crate::{OutputKind, Usage};

/// Fields of a choice that hold output.
pub const CHOICE_FIELDS: [(&str, OutputKind); 3] = [
    ("text", OutputKind::Text),
    ("reasoning_content", OutputKind::Reasoning),
    ("reasoning", OutputKind::Reasoning),
];

/// Fields of a delta or a message that hold output, beside tool calls. Of several
/// fields of one kind the first that is filled counts: servers that change a name
/// send both for a while.
pub const CONTENT_FIELDS: [(&str, OutputKind); 9] = [
    ("content", OutputKind::Text),
    ("refusal", OutputKind::Text),
    ("reasoning_content", OutputKind::Reasoning),
    ("reasoning", OutputKind::Reasoning),
    ("reasoning_text", OutputKind::Reasoning),
    ("thinking", OutputKind::Reasoning),
    ("thinking_content", OutputKind::Reasoning),
    ("reasoning_details", OutputKind::Reasoning),
    ("thinking_blocks", OutputKind::Reasoning),
];

/// Fields of a choice that are known to hold no output of their own, beside those of
/// every chunk, which are looked for first.
const CHOICE_ASIDE: &[&str] = &[
    "stop_sequence",
    "native_finish_reason",
    "token_ids",
    "prompt_token_ids",
    "prompt_logprobs",
    "content_filter_results",
    "content_filter_offsets",
    "hidden_states",
    "seed",
    "error",
];

/// The same of a delta or a message.
const CONTENT_ASIDE: &[&str] = &[
    "name",
    "id",
    "index",
    "tool_call_id",
    "annotations",
    "citations",
    "reasoning_signature",
    "thinking_signature",
    "signature",
    "provider_specific_fields",
    "channel",
    "recipient",
];

/// One chunk of a stream, or a whole answer.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) choices: List<Choice<'a>>,
    usage: Object<UsageFields>,
    timings: Object<Timings>,
    pub(super) error: Option<Value>,
    pub(super) object: Text<'a>,
    pub(super) message: Text<'a>,
    pub(super) detail: Text<'a>,
    unknown: Option<String>,
    /// Fields in all.
    pub(super) fields: u32,
}

/// Fields of a chunk that are known to hold no output of their own.
const CHUNK_ASIDE: &[&str] = &[
    "service_tier",
    "provider",
    "type",
    "status",
    "event",
    "prompt_filter_results",
    "prompt_progress",
    "x_groq",
    "nvext",
    "metadata",
    "moderation",
];

impl<'de> Fields<'de> for Chunk<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.fields += 1;
        match key {
            "choices" => self.choices = map.next_value()?,
            "usage" => self.usage = map.next_value()?,
            "timings" => self.timings = map.next_value()?,
            "error" => self.error = map.next_value()?,
            "object" => self.object = map.next_value()?,
            "message" => self.message = map.next_value()?,
            "detail" => self.detail = map.next_value()?,
            // In every chunk: skipped before the list is searched.
            "id" | "created" | "model" | "system_fingerprint" => skip(map)?,
            _ => note_unknown(CHUNK_ASIDE, &mut self.unknown, key, map)?,
        }
        Ok(())
    }
}

impl Chunk<'_> {
    /// Its token counts, wherever they stand; `None` if it has none.
    pub(super) fn usage(&self) -> Option<Usage> {
        let in_choices = self.choices.objects().iter();
        let in_choice = in_choices
            .filter_map(|choice| choice.usage.0.as_ref())
            .next();
        let own = self.usage.0.as_ref().or(in_choice).map(UsageFields::usage);
        let timed = self.timings.0.as_ref().map(Timings::usage);
        let (own, timed) = (own.unwrap_or_default(), timed.unwrap_or_default());
        let usage = Usage {
            input_tokens: own.input_tokens.or(timed.input_tokens),
            output_tokens: own.output_tokens.or(timed.output_tokens),
            cached_tokens: own.cached_tokens.or(timed.cached_tokens),
            reasoning_tokens: own.reasoning_tokens,
            image_tokens: own.image_tokens,
        };
        (usage != Usage::default()).then_some(usage)
    }

    /// A field that nobody knows and that holds something, by its path.
    pub(super) fn unknown_field(&self) -> Option<String> {
        let in_choices = self.unknown_in_choices();
        in_choices.or_else(|| self.unknown.clone())
    }

    /// Whether it opens or ends an answer: who speaks, why it ended, how much it was.
    /// Gateways put marks of their own into such chunks.
    pub(super) fn opens_or_ends(&self) -> bool {
        let mut choices = self.choices.objects().iter();
        let about = |choice: &Choice<'_>| {
            let has_role = |content: &Object<Box<Content<'_>>>| {
                content.0.as_ref().is_some_and(|content| content.has_role)
            };
            let finish = choice.finish_reason.word().is_some();
            finish || has_role(&choice.delta) || has_role(&choice.message)
        };
        self.usage.0.is_some() && self.choices.objects().is_empty() || choices.any(about)
    }

    fn unknown_in_choices(&self) -> Option<String> {
        self.choices.objects().iter().find_map(|choice| {
            let contents = [("delta", &choice.delta), ("message", &choice.message)];
            let inside = contents.into_iter().find_map(|(name, content)| {
                let field = content.0.as_ref()?.unknown.as_ref()?;
                Some(format!("choices[].{name}.{field}"))
            });
            let own = choice.unknown.as_ref();
            inside.or_else(|| own.map(|field| format!("choices[].{field}")))
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    outputs: [Parts<'a>; CHOICE_FIELDS.len()],
    pub(super) delta: Object<Box<Content<'a>>>,
    pub(super) message: Object<Box<Content<'a>>>,
    pub(super) finish_reason: Object<FinishReason<'a>>,
    usage: Object<UsageFields>,
    unknown: Option<String>,
    index: Option<u64>,
}

impl<'de> Fields<'de> for Choice<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "delta" => self.delta = map.next_value()?,
            "message" => self.message = map.next_value()?,
            "finish_reason" => self.finish_reason = map.next_value()?,
            "usage" => self.usage = map.next_value()?,
            "index" => self.index = map.next_value::<Value>()?.as_u64(),
            "stop_reason" | "matched_stop" => skip(map)?,
            _ if take_output(&CHOICE_FIELDS, &mut self.outputs, key, map)? => {}
            _ => note_unknown(CHOICE_ASIDE, &mut self.unknown, key, map)?,
        }
        Ok(())
    }
}

impl<'a> Choice<'a> {
    /// Its place among several answers, where it is not of the first, which is the one
    /// that was asked for.
    pub(super) fn other_answer(&self) -> Option<u64> {
        self.index.filter(|index| *index > 0)
    }

    /// Its own output of one kind, outside of delta and message.
    pub(super) fn output(&self, kind: OutputKind) -> Option<Cow<'_, str>> {
        output_of(&CHOICE_FIELDS, &self.outputs, kind)
    }

    /// The text, if it is the only output here and borrowed.
    pub(super) fn one_text(&self) -> Option<(&Cow<'a, str>, OutputKind)> {
        one_text(&CHOICE_FIELDS, &self.outputs)
    }
}

/// Why an answer ended: a word, or an object with the word as its `type`.
#[derive(Debug, Default)]
pub(super) struct FinishReason<'a>(Text<'a>);

impl<'de> Fields<'de> for FinishReason<'de> {
    fn from_text(text: Text<'de>) -> Option<Self> {
        Some(Self(text))
    }

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" | "reason" => self.0 = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl Object<FinishReason<'_>> {
    /// The word, if there is one.
    pub(super) fn word(&self) -> Option<&str> {
        self.0.as_ref()?.0.filled()
    }
}

/// A delta of a stream or the message of a whole answer.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    outputs: [Parts<'a>; CONTENT_FIELDS.len()],
    tool_calls: List<ToolCall<'a>>,
    function_call: Object<Function<'a>>,
    has_role: bool,
    unknown: Option<String>,
}

impl<'de> Fields<'de> for Content<'de> {
    /// The text alone, as if it stood in the first field.
    fn from_text(text: Text<'de>) -> Option<Self> {
        let mut content = Self::default();
        content.outputs[0].text = text;
        Some(content)
    }

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "tool_calls" => self.tool_calls = map.next_value()?,
            "function_call" => self.function_call = map.next_value()?,
            "role" => {
                self.has_role = true;
                skip(map)?;
            }
            _ if take_output(&CONTENT_FIELDS, &mut self.outputs, key, map)? => {}
            _ => note_unknown(CONTENT_ASIDE, &mut self.unknown, key, map)?,
        }
        Ok(())
    }
}

impl<'a> Content<'a> {
    /// Its output of one kind.
    pub(super) fn output(&self, kind: OutputKind) -> Option<Cow<'_, str>> {
        output_of(&CONTENT_FIELDS, &self.outputs, kind)
    }

    /// The functions that it calls, or pieces of such calls.
    pub(super) fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        let calls = self.tool_calls.objects().iter();
        calls
            .filter_map(|call| call.function.0.as_ref())
            .chain(self.function_call.0.as_ref())
    }

    /// The text, if it is the only output here and borrowed.
    pub(super) fn one_text(&self) -> Option<(&Cow<'a, str>, OutputKind)> {
        let calls = !matches!(self.tool_calls, List::Absent) || self.function_call.0.is_some();
        (!calls)
            .then(|| one_text(&CONTENT_FIELDS, &self.outputs))
            .flatten()
    }
}

/// Takes the value of `key` if the table has it.
fn take_output<'de, A: MapAccess<'de>>(
    table: &[(&str, OutputKind)],
    outputs: &mut [Parts<'de>],
    key: &str,
    map: &mut A,
) -> Result<bool, A::Error> {
    let Some(at) = table.iter().position(|(name, _)| *name == key) else {
        return Ok(false);
    };
    outputs[at] = map.next_value()?;
    Ok(true)
}

/// Notes a field that is not known if it holds something.
fn note_unknown<'de, A: MapAccess<'de>>(
    aside: &[&str],
    unknown: &mut Option<String>,
    key: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    if aside.contains(&key) {
        return skip(map);
    }
    if map.next_value::<Filled>()?.0 && unknown.is_none() {
        *unknown = Some(key.to_owned());
    }
    Ok(())
}

/// The first filled output of one kind.
fn output_of<'p>(
    table: &[(&str, OutputKind)],
    outputs: &'p [Parts<'_>],
    kind: OutputKind,
) -> Option<Cow<'p, str>> {
    let mut fields = table
        .iter()
        .zip(outputs)
        .map(|((_, kind), parts)| (*kind, parts));
    fields.find_map(|(of_field, parts)| {
        let text = parts.text.filled().unwrap_or_default();
        let reasoning = parts.reasoning.as_str();
        let found = match (kind, of_field) {
            (OutputKind::Text, OutputKind::Text) => Cow::Borrowed(text),
            (OutputKind::Reasoning, OutputKind::Text) => Cow::Borrowed(reasoning),
            (OutputKind::Reasoning, _) if reasoning.is_empty() => Cow::Borrowed(text),
            (OutputKind::Reasoning, _) => Cow::Owned(format!("{reasoning}{text}")),
            _ => Cow::Borrowed(""),
        };
        (!found.is_empty()).then_some(found)
    })
}

/// The text of the only filled output, where it is borrowed from the message.
fn one_text<'p, 'a>(
    table: &[(&str, OutputKind)],
    outputs: &'p [Parts<'a>],
) -> Option<(&'p Cow<'a, str>, OutputKind)> {
    let mut filled = table
        .iter()
        .zip(outputs)
        .filter(|(_, parts)| parts.is_filled());
    let ((_, kind), parts) = filled.next()?;
    let alone = filled.next().is_none() && parts.reasoning.is_empty();
    parts
        .text
        .0
        .as_ref()
        .filter(|_| alone)
        .map(|text| (text, *kind))
}

#[derive(Debug, Default)]
pub(super) struct ToolCall<'a> {
    function: Object<Function<'a>>,
}

impl<'de> Fields<'de> for ToolCall<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "function" => self.function = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Function<'a> {
    pub(super) name: Text<'a>,
    pub(super) arguments: Text<'a>,
}

impl<'de> Fields<'de> for Function<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = map.next_value()?,
            "arguments" => self.arguments = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}
