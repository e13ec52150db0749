//! `transformers serve`, launched or attached to: Hugging Face's own server, with
//! continuous batching.

mod describe;
mod evidence;
mod launch;
mod wire;

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, Decoder, Description, Evidence, EvidenceSource, HttpRequest, LaunchContext,
    LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::TransformersServeOptions;

#[derive(Debug)]
pub struct TransformersServe {
    options: TransformersServeOptions,
    wire: OpenAiWire,
}

impl Backend for TransformersServe {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: TransformersServeOptions = context.options()?;
        let wire = wire::wire(&options)?;
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.options, context)))
    }

    fn prompt_form(&self) -> PromptForm {
        self.wire.prompt_form(false)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        wire::encode(&self.wire, request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        Box::new(self.wire.decoder())
    }

    fn probes(&self) -> Probes {
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }
}

inferbench_plugin_api::export_backend!(TransformersServe);
