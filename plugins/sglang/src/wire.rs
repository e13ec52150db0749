//! Requests of SGLang's server, in either API.

use inferbench_plugin_api::openai::{
    Endpoint, MODELS_PROBE, OpenAiWire, api_key_header, info_probe, models_request, with_headers,
};
use inferbench_plugin_api::{
    ControlRequest, Decoder, HttpRequest, PluginError, Probes, PromptForm, RequestSpec,
};

use crate::describe::{Api, SglangOptions};
use crate::native::{NativeWire, Streaming};

/// Info probe of `GET /get_server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// The API in use.
#[derive(Debug)]
pub(crate) enum Wire {
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
        match (options.api, options.endpoint) {
            (Api::Openai, endpoint) => Ok(Self::OpenAi(OpenAiWire {
                endpoint,
                headers,
                extra_body,
                continuous_usage: true,
                forces_length: true,
            })),
            (Api::Native, Endpoint::Completions) => Ok(Self::Native(NativeWire {
                headers,
                extra_body,
                streaming: if options.incremental_streaming {
                    Streaming::Incremental
                } else {
                    Streaming::Cumulative
                },
            })),
            (Api::Native, Endpoint::Chat) => Err(PluginError::new(
                "options.endpoint is `chat`, must be `completions` where api is `native`",
            )),
        }
    }

    pub(crate) fn prompt_form(&self) -> PromptForm {
        match self {
            Self::OpenAi(wire) => wire.prompt_form(true),
            Self::Native(_) => PromptForm::TokenIds,
        }
    }

    pub(crate) fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        match self {
            Self::OpenAi(wire) => wire.encode(request),
            Self::Native(wire) => wire.encode(request),
        }
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decoder> {
        match self {
            Self::OpenAi(wire) => Box::new(wire.decoder()),
            Self::Native(wire) => Box::new(wire.decoder()),
        }
    }
}

pub(crate) fn probes(headers: &[(String, String)]) -> Probes {
    let info = |name, path| info_probe(name, path, headers);
    Probes {
        // Generates a token when the server is idle, so it is a real request.
        health: Some(with_headers(ControlRequest::get("/health"), headers)),
        models: Some(with_headers(models_request(), headers)),
        metrics: Some(with_headers(ControlRequest::get("/metrics"), headers)),
        info: vec![
            info(MODELS_PROBE, "/v1/models"),
            info(SERVER_INFO_PROBE, "/get_server_info"),
        ],
    }
}

/// The server does it only while no request runs or waits.
pub(crate) fn reset(headers: &[(String, String)]) -> Vec<ControlRequest> {
    vec![with_headers(ControlRequest::post("/flush_cache"), headers)]
}
