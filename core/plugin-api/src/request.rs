//! What is asked of a backend, and the HTTP request that a plugin makes of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a backend wants its prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptForm {
    /// Token ids.
    TokenIds,
    /// Text.
    Text,
    /// Chat messages: the text as one message of the user.
    Messages,
}

impl PromptForm {
    /// The form as the manifest has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenIds => "token_ids",
            Self::Text => "text",
            Self::Messages => "messages",
        }
    }
}

/// A prompt in the form that the backend wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptContent {
    /// Token ids.
    TokenIds(Vec<u32>),
    /// Text.
    Text(String),
    /// Chat messages, in OpenAI's form: `[{"role": "user", "content": "..."}]`.
    Messages(Value),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestSpec {
    /// Name under which the server serves the model.
    pub model: String,
    /// The prompt.
    pub prompt: PromptContent,
    /// Answer length, tokens.
    pub output_tokens: u32,
    /// The answer must have exactly that length.
    pub force_output: bool,
    /// Ask for a stream.
    pub stream: bool,
    /// Sampling temperature; 0 is greedy, and without one the server picks as it does by
    /// default.
    pub temperature: Option<f64>,
    /// Pick among the likeliest tokens that have this probability together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Seed of sampling.
    pub seed: u64,
    /// Fields for the request's body, before those of the backend's options.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra_body: Map<String, Value>,
}

impl RequestSpec {
    /// A greedy one-token request, as readiness is checked with.
    #[must_use]
    pub fn one_token(model: &str, prompt: PromptContent) -> Self {
        Self {
            model: model.to_owned(),
            prompt,
            output_tokens: 1,
            force_output: false,
            stream: true,
            temperature: Some(0.0),
            top_p: None,
            seed: 0,
            extra_body: Map::new(),
        }
    }
}

/// How the host cuts an answer's body into messages for the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: one message per event, its data. Events with a name of
    /// their own are passed over.
    Sse,
    /// Newline-delimited JSON: one message per line.
    Ndjson,
    /// The whole body is one message.
    Body,
    /// Server-sent events as [`Sse`](Self::Sse), and those with a name of their own
    /// too, as [`Message::NamedEvent`](crate::Message::NamedEvent).
    NamedSse,
}

/// An HTTP request without address: the host knows where to send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method, e.g. `POST`.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers beside Host, Content-Length, Accept-Encoding and Connection,
    /// which are the host's.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// How the answer is framed.
    pub framing: Framing,
}

impl HttpRequest {
    /// A JSON `POST` with the given framing of the answer.
    ///
    /// # Errors
    /// If `body` cannot be written as JSON.
    pub fn post_json(
        path: &str,
        body: &impl Serialize,
        framing: Framing,
    ) -> Result<Self, crate::PluginError> {
        Ok(Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: serde_json::to_vec(body)?,
            framing,
        })
    }
}
