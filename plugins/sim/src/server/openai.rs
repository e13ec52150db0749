//! The OpenAI-shaped request body: JSON to a job for the engine, or an error in
//! vLLM's shape. It produces no tokens.

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::Response;
use super::tokens::{TokenStream, prompt_hash, push_message_ids, text_ids};

/// Which API was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/v1/completions`.
    Completions,
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/responses`.
    Responses,
}

impl Endpoint {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Completions => "/v1/completions",
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
        }
    }
}

/// What the served model allows.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) model: String,
    /// Prompt plus output, tokens.
    pub(crate) max_model_len: usize,
    /// Token ids lie below this.
    pub(crate) vocab_size: u32,
    /// Seed of all answers.
    pub(crate) seed: u64,
    /// Token of each answer from which on it is another one.
    pub(crate) parts_at_token: Option<u32>,
    /// Mean natural answer length, tokens; 0 = never ends by itself.
    pub(crate) mean_output_tokens: u32,
}

/// One request, ready for the engine.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) endpoint: Endpoint,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) continuous_usage: bool,
    pub(crate) return_token_ids: bool,
    pub(crate) prompt_ids: Vec<u32>,
    /// Exact length of the answer, tokens, at least 1.
    pub(crate) output_tokens: u32,
    /// `length` or `stop`.
    pub(crate) finish_reason: &'static str,
    pub(crate) tokens: TokenStream,
}

/// A refusal in vLLM's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status, also `code`.
    pub(crate) status: u16,
    kind: &'static str,
    message: String,
    param: Option<&'static str>,
}

impl ApiError {
    /// A 400.
    pub(crate) fn bad(param: Option<&'static str>, message: String) -> Self {
        Self {
            status: 400,
            kind: "BadRequestError",
            message,
            param,
        }
    }

    /// A 500, as in the middle of a stream.
    pub(crate) fn internal(message: &str) -> Self {
        Self {
            status: 500,
            kind: "InternalServerError",
            message: message.into(),
            param: None,
        }
    }

    /// A 503.
    pub(crate) fn unavailable(message: String) -> Self {
        Self {
            status: 503,
            kind: "ServiceUnavailableError",
            message,
            param: None,
        }
    }

    /// `{"error":{...}}`.
    pub(crate) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}})
    }

    /// The whole answer.
    pub(crate) fn response(&self) -> Response {
        Response::json(self.status, &self.body())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

/// `input` of `/v1/responses`: a text, or messages.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Messages(Vec<Message>),
}

impl Input {
    fn into_messages(self) -> Vec<Message> {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(text) => vec![Message {
                role: "user".to_owned(),
                content: Value::String(text),
            }],
        }
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    prompt: Option<Value>,
    messages: Option<Vec<Message>>,
    input: Option<Input>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    max_output_tokens: Option<i64>,
    min_tokens: Option<i64>,
    n: Option<i64>,
    ignore_eos: Option<bool>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    return_token_ids: Option<bool>,
}

/// Turns a request body into a job.
///
/// # Errors
/// `ApiError` 404 for another model's name, 400 for all else.
pub(crate) fn parse_job(endpoint: Endpoint, body: &[u8], limits: &Limits) -> Result<Job, ApiError> {
    let mut body: Body = serde_json::from_slice(body)
        .map_err(|e| ApiError::bad(Some("body"), format!("request body: {e}")))?;
    if endpoint == Endpoint::Responses {
        body.messages = body.input.take().map(Input::into_messages);
        body.max_tokens = body.max_output_tokens.take();
    }
    check_model(&body, limits)?;
    if body.n.is_some_and(|n| n != 1) {
        return Err(ApiError::bad(
            Some("n"),
            "n must be 1: this simulator gives one answer".into(),
        ));
    }
    let prompt_ids = match endpoint {
        Endpoint::Completions => completion_prompt(body.prompt.as_ref(), limits.vocab_size)?,
        Endpoint::Chat | Endpoint::Responses => {
            chat_prompt(body.messages.as_deref(), limits.vocab_size)?
        }
    };
    let max_tokens = max_tokens(endpoint, &body, prompt_ids.len(), limits)?;
    let min_tokens = match body.min_tokens {
        None => 0,
        Some(n) => u32::try_from(n)
            .ok()
            .filter(|n| *n <= max_tokens)
            .ok_or_else(|| {
                let text =
                    format!("min_tokens must be between 0 and max_tokens={max_tokens}, got {n}.");
                ApiError::bad(Some("min_tokens"), text)
            })?,
    };
    let mut tokens = TokenStream::new(limits.seed, prompt_hash(&prompt_ids), limits.vocab_size)
        .parting_at(limits.parts_at_token);
    let natural = tokens
        .natural_length(limits.mean_output_tokens)
        .map(|n| n.max(min_tokens));
    let natural = natural.filter(|n| !body.ignore_eos.unwrap_or(false) && *n <= max_tokens);
    let stream = body.stream.unwrap_or(false);
    let options = body.stream_options.unwrap_or_default();
    let include_usage = options.include_usage.unwrap_or(false);
    Ok(Job {
        endpoint,
        stream,
        include_usage,
        continuous_usage: include_usage && options.continuous_usage_stats.unwrap_or(false),
        return_token_ids: body.return_token_ids.unwrap_or(false),
        prompt_ids,
        output_tokens: natural.unwrap_or(max_tokens).max(1),
        finish_reason: if natural.is_some() { "stop" } else { "length" },
        tokens,
    })
}

fn check_model(body: &Body, limits: &Limits) -> Result<(), ApiError> {
    match &body.model {
        Some(name) if *name != limits.model => Err(ApiError {
            status: 404,
            kind: "NotFoundError",
            message: format!(
                "The model `{name}` does not exist. Valid aliases: {}.",
                limits.model
            ),
            param: Some("model"),
        }),
        _ => Ok(()),
    }
}

fn completion_prompt(prompt: Option<&Value>, vocab_size: u32) -> Result<Vec<u32>, ApiError> {
    let bad = |text: &str| ApiError::bad(Some("prompt"), text.to_owned());
    match prompt {
        None | Some(Value::Null) => Err(bad(
            "prompt is missing: give a string or a list of token ids",
        )),
        Some(Value::String(text)) => Ok(text_ids(text, vocab_size)),
        Some(Value::Array(items)) => match items.as_slice() {
            [] => Err(bad(
                "prompt is an empty list, must have at least one token id",
            )),
            [one @ (Value::String(_) | Value::Array(_))] => {
                completion_prompt(Some(one), vocab_size)
            }
            [Value::String(_) | Value::Array(_), ..] => Err(bad(
                "prompt has several prompts: this simulator takes one per request",
            )),
            ids => ids.iter().map(|id| token_id(id, vocab_size)).collect(),
        },
        Some(_) => Err(bad("prompt is neither a string nor a list of token ids")),
    }
}

fn token_id(id: &Value, vocab_size: u32) -> Result<u32, ApiError> {
    id.as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id < vocab_size)
        .ok_or_else(|| {
            let text = format!("prompt: {id} is not a token id below {vocab_size}");
            ApiError::bad(Some("prompt"), text)
        })
}

fn chat_prompt(messages: Option<&[Message]>, vocab_size: u32) -> Result<Vec<u32>, ApiError> {
    let messages = messages.filter(|m| !m.is_empty()).ok_or_else(|| {
        ApiError::bad(
            Some("messages"),
            "messages is missing or empty: give at least one".into(),
        )
    })?;
    let mut ids = Vec::new();
    for message in messages {
        let text = content_text(&message.content)?;
        push_message_ids(&mut ids, &message.role, &text, vocab_size);
    }
    Ok(ids)
}

fn is_image(part: &Value) -> bool {
    let kind = part.get("type").and_then(Value::as_str);
    matches!(kind, Some("image_url" | "input_image"))
}

fn content_text(content: &Value) -> Result<String, ApiError> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) if parts.iter().any(is_image) => Err(ApiError::bad(
            Some("messages"),
            "messages: this simulator takes no images".into(),
        )),
        Value::Array(parts) => parts
            .iter()
            .map(|p| p.get("text").and_then(Value::as_str))
            .collect::<Option<Vec<_>>>()
            .map(|texts| texts.join(" "))
            .ok_or_else(|| {
                ApiError::bad(
                    Some("messages"),
                    "messages: a content part has no text".into(),
                )
            }),
        _ => Err(ApiError::bad(
            Some("messages"),
            "messages: content is neither text nor parts".into(),
        )),
    }
}

fn max_tokens(
    endpoint: Endpoint,
    body: &Body,
    prompt: usize,
    limits: &Limits,
) -> Result<u32, ApiError> {
    let limit = limits.max_model_len;
    if prompt >= limit {
        let text = format!(
            "This model's maximum context length is {limit} tokens. However, your prompt contains {prompt} \
             input tokens, which leaves no room for output tokens. Please reduce the length of the input \
             prompt. (parameter=input_tokens, value={prompt})"
        );
        return Err(ApiError::bad(Some("input_tokens"), text));
    }
    let room = u32::try_from(limit - prompt).unwrap_or(u32::MAX);
    let Some(asked) = body.max_completion_tokens.or(body.max_tokens) else {
        return Ok(match endpoint {
            Endpoint::Completions => room.min(16),
            Endpoint::Chat | Endpoint::Responses => room,
        });
    };
    if asked < 1 {
        let text = format!("max_tokens must be at least 1, got {asked}.");
        return Err(ApiError::bad(Some("max_tokens"), text));
    }
    u32::try_from(asked).ok().filter(|n| *n <= room).ok_or_else(|| {
        let text = format!(
            "This model's maximum context length is {limit} tokens. However, you requested {asked} output \
             tokens and your prompt contains {prompt} input tokens. Please reduce the length of the input \
             prompt or the number of requested output tokens."
        );
        ApiError::bad(None, text)
    })
}

#[cfg(test)]
mod tests;
