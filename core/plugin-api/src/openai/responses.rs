//! Answers of `/v1/responses`, event by event.

use super::decode::{StreamMessage, error_message, error_words, is_error};
use super::lenient::Object;
use super::responses_event::{Answer, DELTAS, Item, ResponseEvent};
use super::unread::UnreadFields;
use crate::json::mended;
use crate::{Decoder, Events, Message, OutputKind, PluginError};

/// Reads the answers of `/v1/responses`, streamed or whole.
///
/// Output is what the deltas bring, and the name of a function that is called. The
/// events at their end repeat all of it, and so are none. The answer has ended at
/// `response.completed`, `response.incomplete` or `response.failed`, and nowhere else:
/// a stream that closes before was cut.
#[derive(Debug, Clone, Default)]
pub struct ResponsesDecoder {
    ended: bool,
    /// Output has come.
    had_output: bool,
    /// Arguments of calls have come in pieces.
    had_arguments: bool,
    /// A function was called.
    had_calls: bool,
    /// An event has repeated some text, whether or not it had come before.
    repeated: bool,
    unread: UnreadFields,
}

impl ResponsesDecoder {
    /// A decoder for one answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `name`: what the event's own line says, where it has one.
    fn data(&mut self, name: &str, data: &[u8], out: &mut Events<'_>) {
        let data = match StreamMessage::from_data(data) {
            // The mark that chat streams end with says nothing here: it comes after
            // a stream that broke off, too.
            StreamMessage::Blank | StreamMessage::End => return,
            StreamMessage::Object(data) => data,
            StreamMessage::Other => return out.malformed(),
        };
        if let Ok(Object(Some(event))) = serde_json::from_slice::<Object<ResponseEvent<'_>>>(data) {
            return self.event(name, &event, out);
        }
        match serde_json::from_slice::<Object<ResponseEvent<'_>>>(&mended(data)) {
            Ok(Object(Some(event))) => {
                out.mended();
                self.event(name, &event, out);
            }
            _ => out.malformed(),
        }
    }

    fn event(&mut self, name: &str, event: &ResponseEvent<'_>, out: &mut Events<'_>) {
        let kind = event.kind.filled().unwrap_or(name);
        if let Some(words) = reported_error(kind, event) {
            return out.error(&words);
        }
        if let Some((_, output)) = DELTAS.iter().find(|(delta, _)| *delta == kind) {
            return self.delta(*output, event, out);
        }
        match kind {
            "response.output_item.added" => self.item_added(event.item.0.as_ref(), out),
            "response.output_item.done" => self.item_done(event.item.0.as_ref(), out),
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => self.terminal(kind, event.answer(), out),
            _ if is_progress(kind) => {}
            _ if is_repetition(kind) => self.repeated |= event.telling.is_some(),
            // A whole answer has no type, and its name is that of its object.
            "" | "response" if event.answer().is_some() => self.terminal("", event.answer(), out),
            _ => {
                if let Some(field) = event.telling {
                    self.unread.note(field_of(kind, field), false);
                }
            }
        }
    }

    fn delta(&mut self, kind: OutputKind, event: &ResponseEvent<'_>, out: &mut Events<'_>) {
        let delta = &event.delta;
        for text in [
            delta.reasoning.as_str(),
            delta.text.filled().unwrap_or_default(),
        ] {
            self.put(kind, text, out);
        }
        if kind == OutputKind::ToolCall && delta.is_filled() {
            self.had_arguments = true;
            self.had_calls = true;
        }
    }

    /// The name of a function is the first that is known of its call.
    fn item_added(&mut self, item: Option<&Item<'_>>, out: &mut Events<'_>) {
        let Some(item) = item.filter(|item| item.is_call()) else {
            return;
        };
        self.had_calls = true;
        self.put_call(item, out);
        self.had_arguments |= item.arguments.filled().is_some();
    }

    /// The arguments of a call that was sent without pieces.
    fn item_done(&mut self, item: Option<&Item<'_>>, out: &mut Events<'_>) {
        let Some(item) = item.filter(|item| item.is_call()) else {
            return;
        };
        if !self.had_calls {
            self.had_calls = true;
            return self.put_call(item, out);
        }
        if !self.had_arguments {
            let arguments = item.arguments.filled().unwrap_or_default();
            self.put(OutputKind::ToolCall, arguments, out);
        }
    }

    fn put_call(&mut self, item: &Item<'_>, out: &mut Events<'_>) {
        let name = item.name.filled().unwrap_or_default();
        let arguments = item.arguments.filled().unwrap_or_default();
        self.put(OutputKind::ToolCall, &format!("{name}{arguments}"), out);
    }

    fn put(&mut self, kind: OutputKind, text: &str, out: &mut Events<'_>) {
        if !text.is_empty() {
            self.had_output = true;
            out.output(kind, text, None);
        }
    }

    fn terminal(&mut self, kind: &str, answer: Option<&Answer<'_>>, out: &mut Events<'_>) {
        if let Some(answer) = answer {
            if !self.had_output {
                self.whole(answer, out);
            }
            if !self.had_output && self.repeated {
                self.unread
                    .note("response.output_text.done: text".to_owned(), false);
            }
            if let Some(usage) = answer.usage() {
                out.usage(usage);
            }
        }
        if let Some(reason) = self.finish_reason(kind, answer) {
            out.finish(&reason);
            self.end(out);
        }
    }

    /// The output of an answer of which no piece has come.
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Events<'_>) {
        for item in answer.output.objects() {
            if item.is_call() {
                self.had_calls = true;
                self.put_call(item, out);
                continue;
            }
            let (reasoning, text) = item.texts();
            self.put(OutputKind::Reasoning, &reasoning, out);
            self.put(OutputKind::Text, &text, out);
        }
    }

    /// Why the answer ended, in the words of the other endpoints; `None` if it goes on.
    fn finish_reason(&self, kind: &str, answer: Option<&Answer<'_>>) -> Option<String> {
        let status = answer.and_then(|answer| answer.status.filled());
        let of_kind = kind.strip_prefix("response.").unwrap_or_default();
        let reason = answer.and_then(Answer::incomplete_reason);
        let word = match (status.unwrap_or(of_kind), of_kind) {
            // An event that says how it ended is right where its object is not.
            ("in_progress" | "queued", "") => return None,
            ("in_progress" | "queued", of_kind) => of_kind,
            ("completed", "incomplete") => "incomplete",
            (status, _) => status,
        };
        Some(match (word, reason) {
            (_, Some("max_output_tokens" | "max_tokens")) => "length".to_owned(),
            ("incomplete", Some(reason)) => reason.to_owned(),
            ("completed" | "done" | "", _) if self.had_calls => "tool_calls".to_owned(),
            ("completed" | "done" | "", _) => "stop".to_owned(),
            (word, _) => word.to_owned(),
        })
    }

    fn end(&mut self, out: &mut Events<'_>) {
        self.unread.tell(out);
        self.ended = true;
        out.end();
    }
}

/// A field of an event, by its path.
fn field_of(kind: &str, field: &str) -> String {
    match kind {
        "" => field.to_owned(),
        kind => format!("{kind}: {field}"),
    }
}

/// Whether an event says again what was said.
fn is_repetition(kind: &str) -> bool {
    kind.starts_with("response.") && kind.ends_with(".done")
}

/// Whether an event only says how far the answer is.
fn is_progress(kind: &str) -> bool {
    const PROGRESS: &[&str] = &[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.content_part.added",
        "response.reasoning_part.added",
        "response.reasoning_summary_part.added",
        "response.output_text.annotation.added",
        "keepalive",
        "ping",
    ];
    PROGRESS.contains(&kind)
}

/// The error that an event reports, if it does.
fn reported_error(kind: &str, event: &ResponseEvent<'_>) -> Option<String> {
    let inside = event.answer().and_then(|answer| answer.error.as_ref());
    let mut told = event.error.iter().chain(inside);
    if let Some(error) = told.find(|error| is_error(error)) {
        return Some(error_message(error));
    }
    let words = event.message.filled();
    match kind {
        "error" | "response.error" => Some(words.unwrap_or("error without a message").to_owned()),
        "response.failed" => Some(words.unwrap_or("the response failed").to_owned()),
        _ => None,
    }
}

impl Decoder for ResponsesDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        if self.ended {
            return Ok(());
        }
        match message {
            Message::Data(data) => self.data("", data, out),
            Message::NamedEvent { name, data } => {
                self.data(std::str::from_utf8(name).unwrap_or_default(), data, out);
            }
            Message::ErrorEvent(data) | Message::ErrorField(data) => {
                out.error(&error_words(data));
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Events<'_>) -> Result<(), PluginError> {
        self.unread.tell(out);
        Ok(())
    }
}
