//! The simulator: `inferbench-sim`, launched or attached to. Whatever it
//! measures is simulated, and labelled so everywhere.

mod describe;
mod launch;
mod wire;

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, ControlRequest, Decoder, Description, Evidence, EvidenceSource, HttpRequest,
    LaunchContext, LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::{Scheduler, SimOptions, Spin};

#[derive(Debug)]
pub struct Sim {
    options: SimOptions,
    wire: OpenAiWire,
}

impl Backend for Sim {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: SimOptions = context.options()?;
        options.check()?;
        let wire = wire::wire(&options);
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
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        wire::evidence(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        vec![ControlRequest::post("/reset_prefix_cache")]
    }
}

inferbench_plugin_api::export_backend!(Sim);
