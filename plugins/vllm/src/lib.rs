//! vLLM's server: `vllm serve`, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod log;
mod wire;

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, ControlRequest, Decoder, Description, Evidence, EvidenceSource, HttpRequest,
    LaunchContext, LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::VllmOptions;

#[derive(Debug)]
pub struct Vllm {
    options: VllmOptions,
    wire: OpenAiWire,
}

impl Backend for Vllm {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: VllmOptions = context.options()?;
        let wire = wire::wire(&options)?;
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.options, context)))
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
        wire::probes(&self.wire.headers)
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        wire::reset(&self.wire.headers)
    }
}

inferbench_plugin_api::export_backend!(Vllm);
