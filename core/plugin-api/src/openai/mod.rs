//! The wire format of OpenAI's API, as the servers that imitate it use it:
//! requests, streamed and whole answers, and the standard questions. Plugins
//! embed an [`OpenAiWire`] and add what is their server's own.

mod chunk;
mod decode;
mod encode;
mod lenient;
mod parts;
mod repeat;
mod responses;
mod responses_body;
mod responses_event;
mod unread;
mod usage;
mod wire_decoder;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use chunk::{CHOICE_FIELDS, CONTENT_FIELDS};
pub use decode::{OpenAiDecoder, StreamMessage, error_message, error_words, is_error, json_object};
pub use encode::{OpenAiWire, api_key_header, post_merged, seed_for};
pub use lenient::{Count, Fields, List, Object, Text, skip};
pub use responses::ResponsesDecoder;
pub use responses_event::DELTAS;
pub use wire_decoder::WireDecoder;

use crate::json;
use crate::{ControlRequest, Evidence, EvidenceSource, InfoProbe, PluginError, Probes};

/// API that requests go through, where a server has one of its own, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Api {
    /// OpenAI's, at `endpoint`.
    #[default]
    Openai,
    /// The server's own, which may have less to do for each token.
    Native,
}

/// Endpoint of OpenAI's API that requests go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Endpoint {
    /// `/v1/completions`: the prompt as it is.
    #[default]
    Completions,
    /// `/v1/chat/completions`: the prompt as one message of the user, in the
    /// model's chat template.
    Chat,
    /// `/v1/responses`: as `chat`, with events that have types.
    Responses,
}

impl Endpoint {
    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Completions => "/v1/completions",
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
        }
    }

    /// Itself, of a server that has no `/v1/responses`.
    ///
    /// # Errors
    /// If it is that.
    pub fn without_responses(self) -> Result<Self, PluginError> {
        match self {
            Self::Responses => Err(PluginError::new(
                "options.endpoint is `responses`, must be `completions` or `chat`",
            )),
            other => Ok(other),
        }
    }

    /// Those that most servers have, as a description names them.
    #[must_use]
    pub fn names() -> Vec<String> {
        vec!["completions".to_owned(), "chat".to_owned()]
    }

    /// All of them, as a description names them.
    #[must_use]
    pub fn all_names() -> Vec<String> {
        [Self::names(), vec!["responses".to_owned()]].concat()
    }
}

/// Name of the info probe whose answer [`models_evidence`] reads.
pub const MODELS_PROBE: &str = "models";

/// The list of models as evidence, which [`models_evidence`] reads.
#[must_use]
pub fn models_probe() -> InfoProbe {
    InfoProbe::get(MODELS_PROBE, "/v1/models")
}

/// `GET /v1/models`.
#[must_use]
pub fn models_request() -> ControlRequest {
    ControlRequest::get("/v1/models")
}

/// The questions that most servers answer: `GET health`, and the list of models.
#[must_use]
pub fn probes(health: &str) -> Probes {
    Probes {
        health: Some(ControlRequest::get(health)),
        models: Some(models_request()),
        ..Probes::default()
    }
}

/// [`probes`] of `/health`, and the list of models as evidence.
#[must_use]
pub fn usual_probes() -> Probes {
    Probes {
        info: vec![models_probe()],
        ..probes("/health")
    }
}

/// What the list of models says, where it is [`MODELS_PROBE`]'s; nothing of other sources.
///
/// # Errors
/// If the list is not JSON.
pub fn usual_evidence(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    match source {
        EvidenceSource::Info(name) if name == MODELS_PROBE => models_evidence(bytes),
        _ => Ok(Evidence::default()),
    }
}

/// What an answer of the form `{"version": "1.2.3"}` says.
///
/// # Errors
/// If `bytes` is not JSON.
pub fn version_evidence(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    Ok(Evidence {
        version: answer["version"].as_str().map(str::to_owned),
        ..Evidence::default()
    })
}

/// `request` with these headers added.
#[must_use]
pub fn with_headers(mut request: ControlRequest, headers: &[(String, String)]) -> ControlRequest {
    request.headers.extend_from_slice(headers);
    request
}

/// What the answer to `GET /v1/models` says: where the model was loaded from (else its
/// name) and the longest prompt plus answer, where the server reports them. Of several
/// models, only what they agree on: which of them is asked is not known here. Adapters,
/// which name a parent, are none.
///
/// # Errors
/// If `bytes` is not JSON.
pub fn models_evidence(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let listed = answer.get("data").and_then(Value::as_array);
    let is_adapter = |model: &&Value| model.get("parent").is_some_and(Value::is_string);
    let models = listed.into_iter().flatten();
    let models: Vec<&Value> = models.filter(|model| !is_adapter(model)).collect();
    let text = |model: &Value, key| model.get(key)?.as_str().map(str::to_owned);
    Ok(Evidence {
        model: agreed(&models, |model| {
            text(model, "root").or_else(|| text(model, "id"))
        }),
        max_model_len: agreed(&models, |model| model.get("max_model_len")?.as_u64()),
        ..Evidence::default()
    })
}

/// What is the same in all models.
fn agreed<T: PartialEq>(models: &[&Value], of: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let mut values = models.iter().map(|model| of(model));
    let first = values.next().flatten()?;
    values
        .all(|value| value.as_ref() == Some(&first))
        .then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_evidence_prefers_the_place_that_the_model_came_from() {
        // vLLM 0.32.0's answer, shortened.
        let body = br#"{"object":"list","data":[{"id":"tiny","root":"/models/tiny","max_model_len":2048}]}"#;
        let evidence = models_evidence(body).unwrap();
        assert_eq!(evidence.model.as_deref(), Some("/models/tiny"));
        assert_eq!(evidence.max_model_len, Some(2048));
    }

    #[test]
    fn of_several_models_only_what_they_agree_on_is_known() {
        let evidence = |body: &str| {
            let evidence = models_evidence(body.as_bytes()).unwrap();
            (evidence.model, evidence.max_model_len)
        };
        let aliases = r#"{"data":[{"id":"a","root":"/m","max_model_len":64},
            {"id":"b","root":"/m","max_model_len":64},
            {"id":"lora","root":"/l","parent":"a","max_model_len":null}]}"#;
        assert_eq!(evidence(aliases), (Some("/m".to_owned()), Some(64)));
        let gateway = r#"{"data":[{"id":"a","max_model_len":64},{"id":"b"}]}"#;
        assert_eq!(evidence(gateway), (None, None));
    }

    #[test]
    fn an_empty_list_of_models_says_nothing() {
        let evidence = models_evidence(br#"{"data":[]}"#).unwrap();
        assert_eq!(evidence, Evidence::default());
        assert!(models_evidence(b"<html>").is_err());
    }
}
