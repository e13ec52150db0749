//! LMDeploy's server: `lmdeploy serve api_server`, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod wire;

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, Decoder, Description, Evidence, EvidenceSource, HttpRequest, LaunchContext,
    LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::LmDeployOptions;

#[derive(Debug)]
pub struct LmDeploy {
    options: LmDeployOptions,
    wire: OpenAiWire,
}

impl Backend for LmDeploy {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: LmDeployOptions = context.options()?;
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
}

inferbench_plugin_api::export_backend!(LmDeploy);
