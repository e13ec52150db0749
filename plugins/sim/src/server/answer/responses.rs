//! The events of `/v1/responses`, in the shapes of OpenAI's API.

use std::io::Write as _;

use serde_json::{Value, json};

use super::super::http::push_chunk;
use super::super::openai::ApiError;
use super::{Answer, AnswerStyle, push_text};

/// An event under the name that is its type.
fn named(event: &Value) -> String {
    let name = event["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {event}\n\n")
}

fn item_id(id: &str) -> String {
    format!("msg_{id}")
}

/// The item of the output, with its text.
fn message(id: &str, status: &str, text: &str) -> Value {
    json!({
        "id": item_id(id), "type": "message", "role": "assistant", "status": status,
        "content": [part(text)],
    })
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

/// What comes before the first piece of text.
pub(super) fn opening(response: &Value, id: &str) -> [Value; 4] {
    let mut item = message(id, "in_progress", "");
    item["content"] = json!([]);
    [
        json!({"type": "response.created", "sequence_number": 0, "response": response}),
        json!({"type": "response.in_progress", "sequence_number": 1, "response": response}),
        json!({
            "type": "response.output_item.added", "sequence_number": 2, "output_index": 0,
            "item": item,
        }),
        json!({
            "type": "response.content_part.added", "sequence_number": 3, "item_id": item_id(id),
            "output_index": 0, "content_index": 0, "part": part(""),
        }),
    ]
}

/// The event of a piece of text, up to the opening quote of it.
pub(super) fn delta_prefix(id: &str) -> String {
    let item = item_id(id);
    format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"{item}\",\"output_index\":0,\"content_index\":0,\"logprobs\":[],\"delta\":\""
    )
}

/// What comes after the last piece: all of the text again, and how it ended.
fn closing(response: &Value, id: &str, text: &str) -> [Value; 4] {
    let kind = format!(
        "response.{}",
        response["status"].as_str().unwrap_or_default()
    );
    [
        json!({
            "type": "response.output_text.done", "item_id": item_id(id), "output_index": 0,
            "content_index": 0, "text": text, "logprobs": [],
        }),
        json!({
            "type": "response.content_part.done", "item_id": item_id(id), "output_index": 0,
            "content_index": 0, "part": part(text),
        }),
        json!({"type": "response.output_item.done", "output_index": 0, "item": response["output"][0]}),
        json!({"type": kind, "response": response}),
    ]
}

/// An error in the middle of a stream.
pub(super) fn error(error: &ApiError) -> Value {
    let words = &error.body()["error"];
    json!({
        "type": "error", "code": words["code"].to_string(), "message": words["message"],
        "param": null,
    })
}

/// The text of tokens.
pub(super) fn text_of(ids: &[u32]) -> String {
    let mut text = Vec::new();
    push_text(ids, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

impl Answer {
    /// Appends all that follows the last piece of text.
    pub(super) fn push_closing(&self, style: &AnswerStyle, out: &mut Vec<u8>) {
        let text = text_of(&self.said);
        let body = self.response_body(style, self.status(), &text, true);
        self.push_named(&closing(&body, &self.id, &text), out);
        self.push_last_chunk(out);
    }

    /// Appends events that have names, one after the other.
    pub(super) fn push_named(&self, events: &[Value], out: &mut Vec<u8>) {
        for event in events {
            push_chunk(self.chunked, named(event).as_bytes(), out);
        }
    }

    pub(super) fn push_delta(&self, scratch: &mut Vec<u8>) {
        push_text(&self.pending, scratch);
        let _ = write!(scratch, "\",\"sequence_number\":{}", 3 + self.produced);
    }

    pub(super) fn status(&self) -> &'static str {
        match self.job.finish_reason {
            "length" => "incomplete",
            _ => "completed",
        }
    }

    /// The response object of `/v1/responses`.
    pub(super) fn response_body(
        &self,
        style: &AnswerStyle,
        status: &str,
        text: &str,
        ended: bool,
    ) -> Value {
        let prompt = self.job.prompt_ids.len();
        let usage = json!({
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.produced,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + self.produced as usize,
        });
        let incomplete = json!({"reason": "max_output_tokens"});
        json!({
            "id": self.id, "object": "response", "created_at": self.created_s,
            "model": style.model, "status": status, "error": null,
            "incomplete_details": (status == "incomplete").then_some(incomplete),
            "output": if ended { vec![message(&self.id, status, text)] } else { vec![] },
            "usage": ended.then_some(usage),
        })
    }
}
