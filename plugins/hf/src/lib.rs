//! `generate` of Hugging Face transformers, as the plain baseline: a small
//! sequential server of its own around it.

mod describe;
mod evidence;
mod launch;
mod wire;

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, Decoder, Description, Evidence, EvidenceSource, HttpRequest, LaunchContext,
    LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::HfOptions;

#[derive(Debug)]
pub struct Hf {
    options: HfOptions,
    wire: OpenAiWire,
}

impl Backend for Hf {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: HfOptions = context.options()?;
        let wire = wire::wire(&options)?;
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        launch::plan(&self.options, context).map(Some)
    }

    fn prompt_form(&self) -> PromptForm {
        self.wire.prompt_form(true)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.wire.encode(request)
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

inferbench_plugin_api::export_backend!(Hf);
