//! SGLang's server, launched or attached to, through OpenAI's API or its own.

mod describe;
mod evidence;
mod launch;
mod log;
mod native;
mod wire;

use inferbench_plugin_api::{
    Backend, ControlRequest, Decoder, Description, Evidence, EvidenceSource, HttpRequest,
    LaunchContext, LaunchPlan, OpenContext, PluginError, Probes, PromptForm, RequestSpec,
};

pub use describe::{PlainPrompt, SglangOptions};
pub use native::{NativeDecoder, Streaming};
use wire::Wire;

#[derive(Debug)]
pub struct Sglang {
    options: SglangOptions,
    wire: Wire,
    headers: Vec<(String, String)>,
}

impl Backend for Sglang {
    fn describe() -> Description {
        describe::description()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let options: SglangOptions = context.options()?;
        let headers = wire::headers(&options)?;
        let wire = Wire::new(&options, &headers)?;
        Ok(Self {
            options,
            wire,
            headers,
        })
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
        wire::probes(&self.headers)
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        if let Some(incremental) = evidence::streams_incrementally(source, bytes) {
            self.wire.server_streams(incremental);
        }
        evidence::read(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        wire::reset(&self.headers)
    }
}

inferbench_plugin_api::export_backend!(Sglang);
