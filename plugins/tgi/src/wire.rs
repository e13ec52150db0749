//! Requests of Text Generation Inference, in either API.

use inferbench_plugin_api::openai::{Api, Endpoint, OpenAiWire, api_key_header, info_probe};
use inferbench_plugin_api::{
    ControlRequest, Decoder, HttpRequest, PluginError, Probes, PromptForm, RequestSpec,
};

use crate::describe::TgiOptions;
use crate::native::{self, NativeDecoder};

/// Info probe of `GET /info`.
pub(crate) const INFO_PROBE: &str = "info";

/// The API in use.
#[derive(Debug)]
pub(crate) struct Wire {
    api: Api,
    openai: OpenAiWire,
}

impl Wire {
    /// The API that the options ask for.
    ///
    /// # Errors
    /// If the API has no such endpoint, or the API key is not in the environment.
    pub(crate) fn new(options: &TgiOptions) -> Result<Self, PluginError> {
        let wrong = match (options.api, options.endpoint) {
            (_, Endpoint::Responses) => {
                Some("options.endpoint is `responses`, must be `completions` or `chat`")
            }
            (Api::Native, Endpoint::Chat) => {
                Some("options.endpoint is `chat`, must be `completions` where api is `native`")
            }
            _ => None,
        };
        if let Some(words) = wrong {
            return Err(PluginError::new(words));
        }
        let key = api_key_header(options.api_key_env.as_deref())?;
        Ok(Self {
            api: options.api,
            openai: OpenAiWire {
                endpoint: options.endpoint,
                headers: key.into_iter().collect(),
                extra_body: options.extra_body.clone(),
                ..OpenAiWire::default()
            },
        })
    }

    pub(crate) fn prompt_form(&self) -> PromptForm {
        self.openai.prompt_form(false)
    }

    pub(crate) fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        match self.api {
            Api::Openai => self.openai.encode(request),
            Api::Native => {
                let mut http = native::encode(request, &self.openai.extra_body)?;
                http.headers.extend_from_slice(&self.openai.headers);
                Ok(http)
            }
        }
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decoder> {
        match self.api {
            Api::Openai => Box::new(self.openai.decoder()),
            Api::Native => Box::new(NativeDecoder::default()),
        }
    }

    pub(crate) fn probes(&self) -> Probes {
        let probes = Probes {
            health: Some(ControlRequest::get("/health")),
            // It serves one model, whatever name a request has.
            models: None,
            metrics: Some(ControlRequest::get("/metrics")),
            info: vec![info_probe(INFO_PROBE, "/info", &[])],
        };
        probes.with_headers(&self.openai.headers)
    }
}
