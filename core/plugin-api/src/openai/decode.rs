//! Answers of OpenAI's API, chunk by chunk.

use serde_json::Value;

use super::chunk::{Choice, Chunk, Content, Function};
use super::repeat::Repeat;
use crate::{Decoder, Events, Message, OutputKind, PluginError, Usage};

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
    pub fn of(data: &'a [u8]) -> Self {
        match data.trim_ascii() {
            b"" => Self::Blank,
            b"[DONE]" => Self::End,
            data if data.starts_with(b"{") => Self::Object(data),
            _ => Self::Other,
        }
    }
}

/// Reads the answers of both endpoints, streamed or whole.
///
/// One output event per chunk and kind. The server's running token count, where
/// it sends one, goes with the chunk's output. A whole answer is one chunk.
#[derive(Debug, Clone, Default)]
pub struct OpenAiDecoder {
    ended: bool,
    /// Reused for tool calls that come in several pieces.
    pieces: String,
    /// What the next chunk most likely looks like.
    repeat: Option<Repeat>,
}

impl OpenAiDecoder {
    /// A decoder for one answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn data(&mut self, data: &[u8], out: &mut Events<'_>) {
        let same = self.repeat.as_ref().and_then(|repeat| repeat.text(data));
        if let Some((kind, text)) = same {
            if !text.is_empty() {
                out.output(kind, text, None);
            }
            return;
        }
        let data = match StreamMessage::of(data) {
            StreamMessage::Blank => return,
            StreamMessage::End => {
                self.ended = true;
                return out.end();
            }
            StreamMessage::Object(data) => data,
            StreamMessage::Other => return out.malformed(),
        };
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => {
                self.chunk(&chunk, out);
                self.repeat = Repeat::from_chunk(data, &chunk).or(self.repeat.take());
            }
            Err(_) => out.malformed(),
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Events<'_>) {
        if let Some(error) = reported_error(chunk) {
            out.error(&error);
        }
        let usage = chunk.usage.as_ref().map(|fields| fields.usage());
        let tokens = usage.and_then(|usage| usage.output_tokens);
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let mut put_out = false;
        for choice in choices {
            put_out |= self.choice(choice, tokens, out);
        }
        if !put_out && !choices.is_empty() && tokens.is_some() {
            out.output(OutputKind::Text, "", tokens);
        }
        if let Some(usage) = usage.filter(|usage| *usage != Usage::default()) {
            out.usage(usage);
        }
        for choice in choices {
            if let Some(reason) = choice.finish_reason.filled() {
                out.finish(reason);
            }
        }
    }

    /// Whether the choice held any output.
    fn choice(&mut self, choice: &Choice<'_>, tokens: Option<u32>, out: &mut Events<'_>) -> bool {
        // Some servers repeat the growing message beside each delta.
        if let Some(content) = choice.delta.as_ref().or(choice.message.as_ref()) {
            return self.content(content, tokens, out);
        }
        let text = choice.text.filled();
        if let Some(text) = text {
            out.output(OutputKind::Text, text, tokens);
        }
        text.is_some()
    }

    fn content(
        &mut self,
        content: &Content<'_>,
        tokens: Option<u32>,
        out: &mut Events<'_>,
    ) -> bool {
        let reasoning = content.reasoning_content.filled();
        let reasoning = reasoning.or(content.reasoning.filled());
        let text = content.content.filled().or(content.refusal.filled());
        if let Some(reasoning) = reasoning {
            out.output(OutputKind::Reasoning, reasoning, tokens);
        }
        if let Some(text) = text {
            out.output(OutputKind::Text, text, tokens);
        }
        self.pieces.clear();
        let calls = content.tool_calls.iter().flatten();
        let functions = calls.filter_map(|call| call.function.as_ref());
        for function in functions.chain(content.function_call.as_ref()) {
            self.pieces.push_str(piece(&function.name));
            self.pieces.push_str(arguments(function));
        }
        if !self.pieces.is_empty() {
            out.output(OutputKind::ToolCall, &self.pieces, tokens);
        }
        reasoning.is_some() || text.is_some() || !self.pieces.is_empty()
    }
}

fn piece<'a>(text: &'a super::Text<'_>) -> &'a str {
    text.filled().unwrap_or_default()
}

fn arguments<'a>(function: &'a Function<'_>) -> &'a str {
    piece(&function.arguments)
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
    if chunk.choices.is_some() {
        return None;
    }
    chunk.detail.filled().map(str::to_owned)
}

/// An empty text or `false` means that there is no error.
fn is_error(error: &Value) -> bool {
    !matches!(error, Value::Null | Value::Bool(false)) && error.as_str() != Some("")
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
    match serde_json::from_slice::<Value>(data) {
        Ok(error) => error_message(&error),
        Err(_) => String::from_utf8_lossy(data).trim().to_owned(),
    }
}

impl Decoder for OpenAiDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        if self.ended {
            return Ok(());
        }
        match message {
            Message::Data(data) => self.data(data, out),
            Message::ErrorEvent(data) | Message::ErrorField(data) => {
                out.error(&error_words(data));
            }
        }
        Ok(())
    }
}
