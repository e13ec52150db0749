//! vLLM's server: `vllm serve`, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod log;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::VllmOptions;

#[derive(Debug)]
pub struct Vllm(VllmOptions);

impl Server for Vllm {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        Ok(Self(context.options()?))
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        wire::wire(&self.0)
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.0, context)))
    }

    fn probes(&self) -> Probes {
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        wire::reset()
    }
}

inferbench_plugin_api::export_server!(Vllm);
