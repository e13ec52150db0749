//! SGLang's server, launched or attached to, through OpenAI's API or its own.

mod describe;
mod evidence;
mod launch;
mod log;
mod native;
mod wire;

use inferbench_plugin_api::prelude::*;

pub use describe::{PlainPrompt, SglangOptions};
pub use native::{NativeDecoder, Streaming};

#[derive(Debug)]
pub struct Sglang {
    options: SglangOptions,
    streaming: native::ServerStreaming,
}

impl Server for Sglang {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: SglangOptions = context.options()?;
        let streaming = native::ServerStreaming::new(options.incremental_streaming);
        Ok(Self { options, streaming })
    }

    fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
        wire::wire(&self.options, &self.streaming)
    }

    fn sends_token_ids(&self) -> bool {
        self.options.prompt_form == PlainPrompt::TokenIds
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        Ok(Some(launch::plan(&self.options, context)))
    }

    fn probes(&self) -> Probes {
        wire::probes()
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        if let Some(incremental) = evidence::streams_incrementally(source, bytes) {
            self.streaming.set(incremental);
        }
        evidence::read(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        wire::reset()
    }
}

inferbench_plugin_api::export_server!(Sglang);
