//! The simulator: `inferbench-sim`, launched or attached to. Whatever it
//! measures is simulated, and labelled so everywhere.

mod describe;
mod launch;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::{Scheduler, SimOptions, Spin};

#[derive(Debug)]
pub struct Sim(SimOptions);

impl Server for Sim {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: SimOptions = context.options()?;
        options.check()?;
        Ok(Self(options))
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        Ok(Box::new(wire::wire(&self.0)))
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.0, context)))
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

inferbench_plugin_api::export_server!(Sim);
