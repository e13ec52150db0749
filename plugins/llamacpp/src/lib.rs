//! llama.cpp's server: `llama-server`, launched or attached to.

mod describe;
mod evidence;
mod launch;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use inferbench_plugin_api::openai::OpenAiWire;
use inferbench_plugin_api::{
    Backend, ControlRequest, Decoder, Description, Evidence, EvidenceSource, HttpRequest,
    LaunchContext, LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::LlamaCppOptions;

use evidence::Caches;

#[derive(Debug)]
pub struct LlamaCpp {
    options: LlamaCppOptions,
    wire: OpenAiWire,
    /// Slots to empty: those of the options until the server says how many it has.
    slots: AtomicU32,
    caches: Mutex<Caches>,
}

impl Backend for LlamaCpp {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: LlamaCppOptions = context.options()?;
        let wire = wire::wire(&options)?;
        let slots = AtomicU32::new(options.parallel);
        Ok(Self {
            options,
            wire,
            slots,
            caches: Mutex::default(),
        })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        launch::plan(&self.options, context).map(Some)
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
        wire::reset(self.slots.load(Ordering::Relaxed), &self.wire.headers)
    }
}

inferbench_plugin_api::export_backend!(LlamaCpp);
