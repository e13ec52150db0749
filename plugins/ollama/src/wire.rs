//! Requests of Ollama, in either API.

use inferbench_plugin_api::openai::{Api, Endpoint, OpenAiWire, info_probe, models_request};
use inferbench_plugin_api::{
    ControlRequest, Decoder, HttpRequest, PluginError, Probes, PromptForm, RequestSpec,
};

use crate::describe::OllamaOptions;
use crate::native::{self, NativeDecoder};

/// Info probe of `GET /api/version`.
pub(crate) const VERSION_PROBE: &str = "version";
/// Info probe of `GET /api/ps`: the models that are loaded.
pub(crate) const LOADED_PROBE: &str = "ps";

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
    /// If the endpoint is none that this plugin has.
    pub(crate) fn new(options: &OllamaOptions) -> Result<Self, PluginError> {
        if options.endpoint == Endpoint::Responses {
            let words = "options.endpoint is `responses`, must be `completions` or `chat`";
            return Err(PluginError::new(words));
        }
        Ok(Self {
            api: options.api,
            openai: OpenAiWire {
                endpoint: options.endpoint,
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
            Api::Native => native::encode(request, &self.openai.extra_body),
        }
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decoder> {
        match self.api {
            Api::Openai => Box::new(self.openai.decoder()),
            Api::Native => Box::new(NativeDecoder),
        }
    }

    #[allow(
        clippy::unused_self,
        reason = "as in plugins whose probes have headers"
    )]
    pub(crate) fn probes(&self) -> Probes {
        Probes {
            health: Some(ControlRequest::get("/api/version")),
            models: Some(models_request()),
            metrics: None,
            info: vec![
                info_probe(VERSION_PROBE, "/api/version", &[]),
                info_probe(LOADED_PROBE, "/api/ps", &[]),
            ],
        }
    }
}
