//! `generate` of Hugging Face transformers, as the plain baseline: a small
//! sequential server of its own around it.

mod describe;
mod evidence;
mod launch;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::HfOptions;

#[derive(Debug)]
pub struct Hf(HfOptions);

impl Server for Hf {
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
        launch::plan(&self.0, context).map(Some)
    }

    fn probes(&self) -> Probes {
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }
}

inferbench_plugin_api::export_server!(Hf);
