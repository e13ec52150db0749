//! Requests of SGLang's server, in either API.

use inferbench_plugin_api::openai::{
    Api, Endpoint, MODELS_PROBE, OpenAiWire, api_key_header, info_probe, models_request,
    with_headers,
};
use inferbench_plugin_api::{
    ControlRequest, Decoder, HttpRequest, PluginError, Probes, PromptForm, RequestSpec,
};

use crate::describe::{PlainPrompt, SglangOptions};
use crate::native::{NativeWire, Streaming};

/// Info probe of `GET /get_server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// Tokens that `/v1/responses` takes off the length that is asked for, as room for tokens
/// that the engine may add.
/// Source: `ResponsesRequest.to_sampling_params` in SGLang's `openai/protocol.py`.
const RESPONSES_TAKES_OFF_TOKENS: u32 = 2;

/// The API in use, and the form of its prompts.
#[derive(Debug)]
pub(crate) struct Wire {
    api: ApiWire,
    form: PromptForm,
}

#[derive(Debug)]
enum ApiWire {
    OpenAi(OpenAiWire),
    Native(NativeWire),
}

/// Headers of every request.
///
/// # Errors
/// If the API key is not in the environment.
pub(crate) fn headers(options: &SglangOptions) -> Result<Vec<(String, String)>, PluginError> {
    let key = api_key_header(options.api_key_env.as_deref())?;
    Ok(key.into_iter().collect())
}

impl Wire {
    /// The API that the options ask for.
    ///
    /// # Errors
    /// If they contradict each other.
    pub(crate) fn new(
        options: &SglangOptions,
        headers: &[(String, String)],
    ) -> Result<Self, PluginError> {
        let headers = headers.to_vec();
        let extra_body = options.extra_body.clone();
        let token_ids = options.prompt_form == PlainPrompt::TokenIds;
        match (options.api, options.endpoint) {
            (Api::Openai, endpoint) => {
                let wire = OpenAiWire {
                    endpoint,
                    headers,
                    extra_body,
                    continuous_usage: true,
                    // There is no field for it in `/v1/responses`.
                    forces_length: endpoint != Endpoint::Responses,
                };
                Ok(Self {
                    form: wire.prompt_form(token_ids),
                    api: ApiWire::OpenAi(wire),
                })
            }
            (Api::Native, Endpoint::Completions) => {
                let streaming = Streaming::from_option(options.incremental_streaming);
                Ok(Self {
                    form: match token_ids {
                        true => PromptForm::TokenIds,
                        false => PromptForm::Text,
                    },
                    api: ApiWire::Native(NativeWire::new(headers, extra_body, streaming)),
                })
            }
            (Api::Native, Endpoint::Chat | Endpoint::Responses) => {
                let words = "options.endpoint must be `completions` where api is `native`";
                Err(PluginError::new(words))
            }
        }
    }

    pub(crate) fn prompt_form(&self) -> PromptForm {
        self.form
    }

    /// The server says whether it streams each piece once: that counts, whatever
    /// the options say.
    pub(crate) fn server_streams(&self, incremental: bool) {
        if let ApiWire::Native(wire) = &self.api {
            wire.reads(Streaming::from_option(incremental));
        }
    }

    pub(crate) fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        match &self.api {
            ApiWire::OpenAi(wire) if wire.endpoint == Endpoint::Responses => {
                wire.encode(&RequestSpec {
                    output_tokens: request
                        .output_tokens
                        .saturating_add(RESPONSES_TAKES_OFF_TOKENS),
                    ..request.clone()
                })
            }
            ApiWire::OpenAi(wire) => wire.encode(request),
            ApiWire::Native(wire) => wire.encode(request),
        }
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decoder> {
        match &self.api {
            ApiWire::OpenAi(wire) => Box::new(wire.decoder()),
            ApiWire::Native(wire) => Box::new(wire.decoder()),
        }
    }
}

pub(crate) fn probes(headers: &[(String, String)]) -> Probes {
    let info = |name, path| info_probe(name, path, &[]);
    let probes = Probes {
        // Generates a token when the server is idle, so it is a real request.
        health: Some(ControlRequest::get("/health")),
        models: Some(models_request()),
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            info(MODELS_PROBE, "/v1/models"),
            info(SERVER_INFO_PROBE, "/get_server_info"),
        ],
    };
    probes.with_headers(headers)
}

/// The server does it only while no request runs or waits.
pub(crate) fn reset(headers: &[(String, String)]) -> Vec<ControlRequest> {
    vec![with_headers(ControlRequest::post("/flush_cache"), headers)]
}
