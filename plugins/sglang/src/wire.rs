//! Requests of SGLang's server, in either API.

use inferbench_plugin_api::openai::{self, Api, Endpoint, OpenAiWire, models_probe};
use inferbench_plugin_api::{
    ControlRequest, Decoder, HttpRequest, InfoProbe, PluginError, Probes, PromptForm, RequestSpec,
    Wire,
};

use crate::describe::SglangOptions;
use crate::native::{NativeWire, ServerStreaming};

/// Info probe of `GET /get_server_info`.
pub(crate) const SERVER_INFO_PROBE: &str = "server_info";

/// Tokens that `/v1/responses` takes off the length that is asked for, as room for tokens
/// that the engine may add.
/// Source: `ResponsesRequest.to_sampling_params` in SGLang's `openai/protocol.py`.
const RESPONSES_TAKES_OFF_TOKENS: u32 = 2;

/// The wire format that the options ask for. `streaming`: how its own API streams.
///
/// # Errors
/// If they contradict each other, or the API key is not in the environment.
pub(crate) fn wire(
    options: &SglangOptions,
    streaming: &ServerStreaming,
) -> Result<Box<dyn Wire>, PluginError> {
    let key = options.api_key_env.as_deref();
    let openai = OpenAiWire {
        continuous_usage: true,
        forces_length: true,
        ..OpenAiWire::new(options.endpoint, key, &options.extra_body)?
    };
    Ok(match (options.api, options.endpoint) {
        (Api::Openai, Endpoint::Responses) => Box::new(Responses(OpenAiWire {
            // There is no field for it there.
            forces_length: false,
            ..openai
        })),
        (Api::Openai, _) => Box::new(openai),
        (Api::Native, Endpoint::Completions) => Box::new(NativeWire {
            headers: openai.headers,
            extra_body: openai.extra_body,
            streaming: streaming.clone(),
        }),
        (Api::Native, Endpoint::Chat | Endpoint::Responses) => {
            let words = "options.endpoint must be `completions` where api is `native`";
            return Err(PluginError::new(words));
        }
    })
}

/// `/v1/responses`, which is asked for the tokens that it takes off, too.
#[derive(Debug)]
struct Responses(OpenAiWire);

impl Wire for Responses {
    fn prompt_form(&self, token_ids: bool) -> PromptForm {
        self.0.prompt_form(token_ids)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let asked = request.output_tokens;
        self.0.encode(&RequestSpec {
            output_tokens: asked.saturating_add(RESPONSES_TAKES_OFF_TOKENS),
            ..request.clone()
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(self.0.decoder())
    }

    fn headers(&self) -> &[(String, String)] {
        &self.0.headers
    }
}

pub(crate) fn probes() -> Probes {
    Probes {
        metrics: Some(ControlRequest::get("/metrics")),
        info: vec![
            models_probe(),
            InfoProbe::get(SERVER_INFO_PROBE, "/get_server_info"),
        ],
        // Generates a token when the server is idle, so it is a real request.
        ..openai::probes("/health")
    }
}

/// The server does it only while no request runs or waits.
pub(crate) fn reset() -> Vec<ControlRequest> {
    vec![ControlRequest::post("/flush_cache")]
}
