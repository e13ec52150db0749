//! Requests of OpenAI's API.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Endpoint, WireDecoder, responses_body};
use crate::{Framing, HttpRequest, PluginError, PromptContent, PromptForm, RequestSpec};

/// How one server wants OpenAI's requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenAiWire {
    /// Where requests go.
    pub endpoint: Endpoint,
    /// Headers beside `Content-Type`.
    pub headers: Vec<(String, String)>,
    /// Fields put into each body last; `null` takes a field away.
    pub extra_body: Map<String, Value>,
    /// Ask for the running token count in every chunk (vLLM, SGLang).
    pub continuous_usage: bool,
    /// The server knows `ignore_eos` and `min_tokens`, which force the length; for
    /// `/v1/responses` `ignore_eos` alone and `seed`, as vLLM has them.
    pub forces_length: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Prompt<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a Value>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens: Option<u32>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Prompt<'a> {
    TokenIds(&'a [u32]),
    Text(&'a str),
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    continuous_usage_stats: bool,
}

impl OpenAiWire {
    /// Requests to `endpoint` with the key in the environment variable `api_key_env`, if one
    /// is named, and the fields of `extra_body`.
    ///
    /// # Errors
    /// If the variable is not set or is empty.
    pub fn new(
        endpoint: Endpoint,
        api_key_env: Option<&str>,
        extra_body: &Map<String, Value>,
    ) -> Result<Self, PluginError> {
        Ok(Self {
            endpoint,
            headers: api_key_header(api_key_env)?.into_iter().collect(),
            extra_body: extra_body.clone(),
            ..Self::default()
        })
    }

    /// The form of prompts for this endpoint: chat messages, or token ids or
    /// text for completions.
    #[must_use]
    pub fn prompt_form(&self, token_ids: bool) -> PromptForm {
        match (self.endpoint, token_ids) {
            (Endpoint::Chat | Endpoint::Responses, _) => PromptForm::Messages,
            (Endpoint::Completions, true) => PromptForm::TokenIds,
            (Endpoint::Completions, false) => PromptForm::Text,
        }
    }

    /// The HTTP request for one request.
    ///
    /// # Errors
    /// If the prompt has a form that the endpoint does not take.
    pub fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let path = self.endpoint.path();
        let mut http = match (self.endpoint, &request.prompt) {
            (Endpoint::Responses, PromptContent::Messages(messages)) => {
                let body =
                    responses_body::body(request, messages, self.forces_length, seed_for(request));
                let fields = responses_body::extra_fields(&request.extra_body);
                let extra = [&fields, &self.extra_body];
                post_merged(path, &body, &extra, framing(request, Framing::NamedSse))?
            }
            // Some gateways give every event of theirs a name.
            _ => {
                let extra = [&request.extra_body, &self.extra_body];
                let body = self.body(request)?;
                post_merged(path, &body, &extra, framing(request, Framing::NamedSse))?
            }
        };
        http.headers.extend_from_slice(&self.headers);
        Ok(http)
    }

    fn body<'a>(&self, request: &'a RequestSpec) -> Result<Body<'a>, PluginError> {
        let (prompt, messages) = match (self.endpoint, &request.prompt) {
            (Endpoint::Completions, PromptContent::TokenIds(ids)) => {
                (Some(Prompt::TokenIds(ids)), None)
            }
            (Endpoint::Completions, PromptContent::Text(text)) => (Some(Prompt::Text(text)), None),
            (Endpoint::Chat, PromptContent::Messages(messages)) => (None, Some(messages)),
            (endpoint, prompt) => return Err(wrong_form(endpoint, prompt)),
        };
        let force = request.force_output && self.forces_length;
        Ok(Body {
            model: &request.model,
            prompt,
            messages,
            max_tokens: request.output_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: seed_for(request),
            ignore_eos: force.then_some(true),
            min_tokens: force.then_some(request.output_tokens),
            stream: request.stream,
            stream_options: request.stream.then_some(StreamOptions {
                include_usage: true,
                continuous_usage_stats: self.continuous_usage,
            }),
        })
    }

    /// A decoder for one answer.
    #[must_use]
    pub fn decoder(&self) -> WireDecoder {
        WireDecoder::new(self.endpoint)
    }
}

/// The framing of the answer: `streamed`, if it is.
fn framing(request: &RequestSpec, streamed: Framing) -> Framing {
    if request.stream {
        streamed
    } else {
        Framing::Body
    }
}

/// The seed to send: none for greedy requests, which it cannot change but which
/// some servers run slower with it; else its lower 31 bits, which every server
/// takes.
#[must_use]
pub fn seed_for(request: &RequestSpec) -> Option<u64> {
    let is_random = request.temperature.is_some_and(|t| t > 0.0);
    is_random.then_some(request.seed & 0x7fff_ffff)
}

fn wrong_form(endpoint: Endpoint, prompt: &PromptContent) -> PluginError {
    let form = match prompt {
        PromptContent::TokenIds(_) => "token ids",
        PromptContent::Text(_) => "text",
        PromptContent::Messages(_) => "messages",
    };
    let path = endpoint.path();
    let takes = match endpoint {
        Endpoint::Completions => "text or token ids",
        Endpoint::Chat | Endpoint::Responses => "messages",
    };
    PluginError::new(format!("{path}: prompt is {form}, must be {takes}"))
}

/// A JSON `POST` of `body` with the fields of each of `extra` put in last, in their
/// order; a field that is `null` there is taken away.
///
/// # Errors
/// If `body` cannot be written as JSON.
pub fn post_merged(
    path: &str,
    body: &impl Serialize,
    extra: &[&Map<String, Value>],
    framing: Framing,
) -> Result<HttpRequest, PluginError> {
    if extra.iter().all(|fields| fields.is_empty()) {
        return HttpRequest::post_json(path, body, framing);
    }
    let mut merged = serde_json::to_value(body)?;
    if let Value::Object(fields) = &mut merged {
        for (key, value) in extra.iter().flat_map(|fields| fields.iter()) {
            if value.is_null() {
                fields.shift_remove(key);
            } else {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
    HttpRequest::post_json(path, &merged, framing)
}

/// `Authorization: Bearer ...` with the key in the environment variable `name`;
/// no header without a name.
///
/// # Errors
/// If the variable is not set or is empty.
pub fn api_key_header(name: Option<&str>) -> Result<Option<(String, String)>, PluginError> {
    let Some(name) = name else {
        return Ok(None);
    };
    if !is_variable_name(name) {
        // It may be the key itself, which no text may hold.
        let words = "options.api_key_env is no name of an environment variable: the key belongs into the variable that it names";
        return Err(PluginError::new(words));
    }
    match std::env::var(name) {
        Ok(key) if !key.is_empty() => {
            Ok(Some(("Authorization".to_owned(), format!("Bearer {key}"))))
        }
        _ => Err(PluginError::new(format!(
            "options.api_key_env: environment variable `{name}` is not set"
        ))),
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    let begins = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    begins && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
