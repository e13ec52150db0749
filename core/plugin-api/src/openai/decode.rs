//! Answers of OpenAI's API, chunk by chunk.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::chunk::{Choice, Chunk, Content};
use super::lenient::{List, Object};
use super::repeat::Repeat;
use super::unread::UnreadFields;
use crate::json::{self, mended};
use crate::{Decoder, Events, Message, OutputKind, PluginError};

/// What a message of a stream is, seen before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamMessage<'a> {
    /// White space alone: nothing to read.
    Blank,
    /// `[DONE]`: nothing follows.
    End,
    /// What begins like a JSON object, without white space around it.
    Object(&'a [u8]),
    /// Anything else. A JSON array is not an object, though a derived struct
    /// would read it as one.
    Other,
}

impl<'a> StreamMessage<'a> {
    /// What `data` is.
    #[must_use]
    pub fn from_data(data: &'a [u8]) -> Self {
        match data.trim_ascii() {
            b"" => Self::Blank,
            b"[DONE]" => Self::End,
            data if data.starts_with(b"{") => Self::Object(data),
            _ => Self::Other,
        }
    }
}

/// The JSON object of a message, mended if need be, for answers in a format of the
/// server's own. Gives `None`, and the event for it, where there is none: an end
/// marker, white space, or what cannot be read.
pub fn json_object(data: &[u8], out: &mut Events<'_>) -> Option<Map<String, Value>> {
    let data = match StreamMessage::from_data(data) {
        StreamMessage::Blank => return None,
        StreamMessage::End => {
            out.end();
            return None;
        }
        StreamMessage::Object(data) => data,
        StreamMessage::Other => {
            out.malformed();
            return None;
        }
    };
    if let Ok(object) = serde_json::from_slice(data) {
        return Some(object);
    }
    let object = serde_json::from_slice(&mended(data)).ok();
    match object {
        Some(_) => out.mended(),
        None => out.malformed(),
    }
    object
}

/// Reads the answers of both endpoints, streamed or whole.
///
/// One output event per chunk and kind. The server's running token count, where
/// it sends one, goes with the chunk's output. A whole answer is one chunk; after
/// pieces of it, the whole is a repetition and no output.
#[derive(Debug, Clone, Default)]
pub struct OpenAiDecoder {
    ended: bool,
    /// Output has come in pieces.
    had_pieces: bool,
    /// Output has come in events without a name of their own.
    had_unnamed_output: bool,
    unknown: UnreadFields,
    /// Reused for tool calls that come in several pieces.
    calls: String,
    /// What the next chunk most likely looks like.
    repeat: Option<Repeat>,
}

impl OpenAiDecoder {
    /// A decoder for one answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A message, of an event with a name of its own if there is a `name`: a chunk or an
    /// end mark that a gateway gave a name, or something of the gateway's.
    fn data(&mut self, data: &[u8], name: Option<&[u8]>, out: &mut Events<'_>) {
        let repeat = self.repeat.as_ref().filter(|_| !self.is_foreign(name));
        let same = repeat.and_then(|repeat| repeat.text(data));
        if let Some((kind, text)) = same {
            if !text.is_empty() {
                out.output(kind, text, None);
            }
            return;
        }
        match StreamMessage::from_data(data) {
            StreamMessage::Blank => {}
            StreamMessage::End => {
                self.unknown.tell(out);
                self.ended = true;
                out.end();
            }
            StreamMessage::Object(data) => self.object(data, name, out),
            StreamMessage::Other if name.is_some() => {}
            StreamMessage::Other => out.malformed(),
        }
    }

    fn object(&mut self, data: &[u8], name: Option<&[u8]>, out: &mut Events<'_>) {
        if let Ok(Object(Some(chunk))) = serde_json::from_slice::<Object<Chunk<'_>>>(data) {
            if self.is_ours(&chunk, name) {
                self.chunk(&chunk, name, out);
                self.repeat = Repeat::from_chunk(data, &chunk).or(self.repeat.take());
            }
            return;
        }
        match serde_json::from_slice::<Object<Chunk<'_>>>(&mended(data)) {
            Ok(Object(Some(chunk))) if self.is_ours(&chunk, name) => {
                out.mended();
                self.chunk(&chunk, name, out);
            }
            Ok(Object(Some(_))) => {}
            _ => out.malformed(),
        }
    }

    /// Whether events of that name are the gateway's own, since the server's have none.
    fn is_foreign(&self, name: Option<&[u8]>) -> bool {
        name.is_some() && self.had_unnamed_output
    }

    /// Whether a chunk belongs to the answer. One that looks so beside chunks that have
    /// no name is noted as unread.
    fn is_ours(&mut self, chunk: &Chunk<'_>, name: Option<&[u8]>) -> bool {
        let Some(text) = name else { return true };
        if self.is_foreign(name) && !chunk.choices.objects().is_empty() {
            let place = format!("event: {}", String::from_utf8_lossy(text));
            self.unknown.note(place, chunk.opens_or_ends());
            return false;
        }
        let has_choices = !matches!(chunk.choices, List::Absent);
        has_choices || chunk.usage().is_some() || reported_error(chunk).is_some()
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, name: Option<&[u8]>, out: &mut Events<'_>) {
        if matches!(chunk.choices, List::NoList) {
            return out.malformed();
        }
        if let Some(error) = reported_error(chunk) {
            out.error(&error);
        }
        let usage = chunk.usage();
        let tokens = usage.and_then(|usage| usage.output_tokens);
        let choices = chunk.choices.objects();
        let mut put_out = false;
        for choice in choices {
            match choice.other_answer() {
                Some(index) => self.unknown.note(format!("choices[{index}]"), false),
                None => put_out |= self.choice(choice, tokens, out),
            }
        }
        self.had_unnamed_output |= put_out && name.is_none();
        if !put_out && !choices.is_empty() && tokens.is_some() {
            out.output(OutputKind::Text, "", tokens);
        }
        if let Some(field) = chunk.unknown_field() {
            self.unknown.note(field, put_out || chunk.opens_or_ends());
        }
        if let Some(usage) = usage {
            out.usage(usage);
        }
        let asked_for = choices
            .iter()
            .filter(|choice| choice.other_answer().is_none());
        for choice in asked_for {
            if let Some(reason) = choice.finish_reason.word() {
                out.finish(reason);
            }
        }
    }

    /// Whether the choice held any output.
    fn choice(&mut self, choice: &Choice<'_>, tokens: Option<u32>, out: &mut Events<'_>) -> bool {
        // Some servers repeat the growing message beside each delta.
        if let Some(delta) = &choice.delta.0 {
            let put_out = self.content(delta, tokens, out);
            self.had_pieces |= put_out;
            if put_out || choice.message.0.is_some() {
                return put_out;
            }
        } else if let Some(message) = &choice.message.0 {
            return !self.had_pieces && self.content(message, tokens, out);
        }
        let reasoning = choice.output(OutputKind::Reasoning);
        let text = choice.output(OutputKind::Text);
        let put_out = put(OutputKind::Reasoning, reasoning, tokens, out)
            | put(OutputKind::Text, text, tokens, out);
        self.had_pieces |= put_out;
        put_out
    }

    fn content(
        &mut self,
        content: &Content<'_>,
        tokens: Option<u32>,
        out: &mut Events<'_>,
    ) -> bool {
        let reasoning = content.output(OutputKind::Reasoning);
        let text = content.output(OutputKind::Text);
        self.calls.clear();
        for function in content.functions() {
            for piece in [&function.name, &function.arguments] {
                self.calls.push_str(piece.filled().unwrap_or_default());
            }
        }
        let calls = (!self.calls.is_empty()).then_some(self.calls.as_str().into());
        put(OutputKind::Reasoning, reasoning, tokens, out)
            | put(OutputKind::Text, text, tokens, out)
            | put(OutputKind::ToolCall, calls, tokens, out)
    }
}

/// Whether there was anything to put out.
fn put(
    kind: OutputKind,
    text: Option<Cow<'_, str>>,
    tokens: Option<u32>,
    out: &mut Events<'_>,
) -> bool {
    if let Some(text) = &text {
        out.output(kind, text, tokens);
    }
    text.is_some()
}

/// The error that a chunk reports, if it is one.
fn reported_error(chunk: &Chunk<'_>) -> Option<String> {
    if let Some(error) = chunk.error.as_ref().filter(|error| is_error(error)) {
        return Some(error_message(error));
    }
    let message = chunk.message.filled();
    if chunk.object.filled() == Some("error") {
        return Some(message.unwrap_or("error without a message").to_owned());
    }
    if !matches!(chunk.choices, List::Absent) {
        return None;
    }
    // Alone it is an error's; beside other fields it may be anything's.
    let detail = chunk.detail.filled().filter(|_| chunk.fields == 1);
    detail.map(str::to_owned)
}

/// Whether it says anything: a null, `false`, 0, an empty text, list or object, or an
/// object of such values means that there is no error.
#[must_use]
pub fn is_error(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim(), "" | "null" | "None"),
        Value::Array(values) => values.iter().any(is_error),
        Value::Object(fields) => fields.values().any(is_error),
    }
}

/// The words of an error, in the forms that servers use: a text, or an object
/// with `message`, `error` (either form) or `detail`; else its JSON.
#[must_use]
pub fn error_message(error: &Value) -> String {
    if let Value::String(text) = error {
        return text.clone();
    }
    let inner = error.get("error").filter(|inner| is_error(inner));
    if let Some(inner) = inner {
        return error_message(inner);
    }
    let words = ["message", "detail"].iter().find_map(|key| {
        let text = error.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    });
    words.unwrap_or_else(|| error.to_string())
}

/// The words of an error event's data, which need not be JSON.
#[must_use]
pub fn error_words(data: &[u8]) -> String {
    match json::read::<Value>(data) {
        Ok(error @ (Value::Object(_) | Value::String(_))) => error_message(&error),
        _ => String::from_utf8_lossy(data).trim().to_owned(),
    }
}

impl Decoder for OpenAiDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        if self.ended {
            return Ok(());
        }
        match message {
            Message::Data(data) => self.data(data, None, out),
            Message::ErrorEvent(data) | Message::ErrorField(data) => {
                out.error(&error_words(data));
            }
            Message::NamedEvent { name, data } => self.data(data, Some(name), out),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Events<'_>) -> Result<(), PluginError> {
        self.unknown.tell(out);
        Ok(())
    }
}
