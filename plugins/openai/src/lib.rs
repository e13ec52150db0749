//! Any server that speaks OpenAI's API, attached to or started with a command
//! of the user's.

mod describe;
mod launch;
mod wire;

use inferbench_plugin_api::openai::{self, OpenAiWire};
use inferbench_plugin_api::{
    Backend, ControlRequest, Decoder, Description, Evidence, EvidenceSource, HttpRequest,
    LaunchContext, LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::{OpenAiOptions, PlainPrompt};

#[derive(Debug)]
pub struct OpenAi {
    options: OpenAiOptions,
    wire: OpenAiWire,
}

impl Backend for OpenAi {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: OpenAiOptions = context.options()?;
        let wire = wire::wire(&options)?;
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        launch::plan(&self.options, context)
    }

    fn prompt_form(&self) -> PromptForm {
        let token_ids = self.options.prompt_form == PlainPrompt::TokenIds;
        self.wire.prompt_form(token_ids)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.wire.encode(request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(self.wire.decoder())
    }

    fn probes(&self) -> Probes {
        let health = self.options.health.as_deref().map(ControlRequest::get);
        let probes = Probes {
            health,
            models: Some(openai::models_request()),
            metrics: None,
            info: vec![openai::info_probe(openai::MODELS_PROBE, "/v1/models", &[])],
        };
        probes.with_headers(&self.wire.headers)
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        match source {
            EvidenceSource::Info(name) if name == openai::MODELS_PROBE => {
                openai::models_evidence(bytes)
            }
            _ => Ok(Evidence::default()),
        }
    }
}

inferbench_plugin_api::export_backend!(OpenAi);
