//! Hugging Face's Text Generation Inference, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod native;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::TgiOptions;

#[derive(Debug)]
pub struct Tgi(TgiOptions);

impl Server for Tgi {
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
}

inferbench_plugin_api::export_server!(Tgi);
