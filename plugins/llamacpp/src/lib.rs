//! llama.cpp's server: `llama-server`, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use inferbench_plugin_api::prelude::*;

pub use describe::LlamaCppOptions;

#[derive(Debug)]
pub struct LlamaCpp {
    options: LlamaCppOptions,
    /// Slots that the server has, as it says; until then those of the options.
    slots: AtomicU32,
    caches: Mutex<evidence::Caches>,
}

impl Server for LlamaCpp {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: LlamaCppOptions = context.options()?;
        Ok(Self {
            slots: AtomicU32::new(options.parallel),
            options,
            caches: Mutex::default(),
        })
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        wire::wire(&self.options)
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        launch::plan(&self.options, context).map(Some)
    }

    fn probes(&self) -> Probes {
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let evidence = evidence::read(source, bytes, &mut caches)?;
        if let Some(slots) = evidence.max_running_requests
            && let Ok(slots) = u32::try_from(slots)
        {
            self.slots
                .store(slots.min(wire::MOST_SLOTS), Ordering::Relaxed);
        }
        Ok(evidence)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        wire::reset(self.slots.load(Ordering::Relaxed))
    }
}

inferbench_plugin_api::export_server!(LlamaCpp);
