//! In-process engines: libraries that generate on their own threads and push
//! events into a sink of the host, stamped with the host's clock.

use std::sync::Arc;

use inferbench_contract::OutputKind;

use crate::error::PluginError;
use crate::request::RequestSpec;

/// An engine inside InferBench's own process.
pub trait Engine: Send + Sync + 'static {
    /// Takes a request and returns at once; its events go to `sink` under `id`.
    ///
    /// # Errors
    /// If the request is refused.
    fn submit(
        &self,
        id: u64,
        request: &RequestSpec,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), PluginError>;

    /// Gives a request up. Events may still come for a moment.
    fn cancel(&self, id: u64);

    /// Ends all work and joins every thread.
    fn shutdown(&self);
}

/// Where an engine pushes its events. Every push returns whether the request
/// is still wanted.
pub trait EventSink: Send + Sync {
    /// The host's monotonic clock, ns.
    fn now_ns(&self) -> u64;

    /// A piece of output at `t_ns`; `cumulative_tokens` counts up to and with it.
    fn output(
        &self,
        id: u64,
        t_ns: u64,
        kind: OutputKind,
        text: &str,
        cumulative_tokens: Option<u32>,
    ) -> bool;

    /// Prompt and answer tokens.
    fn usage(&self, id: u64, input_tokens: u32, output_tokens: u32) -> bool;

    /// The request is done, with this finish reason.
    fn done(&self, id: u64, finish_reason: &str) -> bool;

    /// The request has failed.
    fn error(&self, id: u64, message: &str) -> bool;
}
