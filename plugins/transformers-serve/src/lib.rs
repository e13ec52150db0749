//! `transformers serve`, launched or attached to: Hugging Face's own server, with
//! continuous batching.

mod describe;
mod evidence;
mod launch;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::TransformersServeOptions;

#[derive(Debug)]
pub struct TransformersServe(TransformersServeOptions);

impl Server for TransformersServe {
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

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        evidence::read(source, bytes)
    }
}

inferbench_plugin_api::export_server!(TransformersServe);
