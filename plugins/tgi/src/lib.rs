//! Hugging Face's Text Generation Inference, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod native;
mod wire;

use inferbench_plugin_api::{
    Backend, Decoder, Description, Evidence, EvidenceSource, HttpRequest, LaunchContext,
    LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::TgiOptions;

#[derive(Debug)]
pub struct Tgi {
    options: TgiOptions,
    wire: wire::Wire,
}

impl Backend for Tgi {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: TgiOptions = context.options()?;
        let wire = wire::Wire::new(&options)?;
        Ok(Self { options, wire })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.options, context)))
    }

    fn prompt_form(&self) -> PromptForm {
        self.wire.prompt_form()
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.wire.encode(request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        self.wire.decoder()
    }

    fn probes(&self) -> Probes {
        self.wire.probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }
}

inferbench_plugin_api::export_backend!(Tgi);
