//! What an author writes: a backend and its decoder, in plain safe Rust.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::description::options_schema;
use crate::engine::Engine;
use crate::error::PluginError;
use crate::events::{Events, Message};
use crate::probe::{ControlRequest, EvidenceSource, Probes};
use crate::{
    Description, Evidence, HttpRequest, LaunchContext, LaunchPlan, PromptForm, RequestSpec,
};

/// What a backend is opened with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OpenContext {
    /// The options of the config, checked against the plugin's schema.
    pub options: Map<String, Value>,
    /// The server runs already and is not launched.
    pub attached: bool,
}

impl OpenContext {
    /// The options as the plugin's own type.
    ///
    /// # Errors
    /// If they do not fit the type, which the schema should have caught before.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, PluginError> {
        serde_json::from_value(Value::Object(self.options.clone()))
            .map_err(|error| PluginError::new(format!("options: {error}")))
    }
}

/// One kind of backend. It describes, plans, encodes and decodes; it never
/// opens a socket, owns a runtime or takes a time. Panics are caught and fail
/// the call they happen in.
pub trait Backend: Send + Sync + Sized + 'static {
    /// What the backend is.
    fn describe() -> Description;

    /// Opens the backend with the options of one config entry.
    ///
    /// # Errors
    /// If the options contradict each other.
    fn open(context: &OpenContext) -> Result<Self, PluginError>;

    /// How to start the server; `None` if it can only be attached to.
    ///
    /// # Errors
    /// If no plan can be made from these options.
    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        let _ = context;
        Ok(None)
    }

    /// The form in which it wants its prompts.
    fn prompt_form(&self) -> PromptForm;

    /// The HTTP request for one request.
    ///
    /// # Errors
    /// If the request cannot be asked of this backend.
    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError>;

    /// A decoder for one answer.
    fn decoder(&self, request: &RequestSpec) -> Box<dyn Decoder>;

    /// Where the server can be asked about itself.
    fn probes(&self) -> Probes {
        Probes::default()
    }

    /// What one piece of evidence says.
    ///
    /// # Errors
    /// If `bytes` is not what `source` should give.
    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        let _ = (source, bytes);
        Ok(Evidence::default())
    }

    /// Requests that drop the prefix cache; empty if it cannot be dropped.
    fn reset(&self) -> Vec<ControlRequest> {
        Vec::new()
    }

    /// The engine, if this backend generates inside InferBench's process.
    ///
    /// # Errors
    /// If the engine cannot be opened.
    fn engine(&self, context: &LaunchContext) -> Result<Option<Box<dyn Engine>>, PluginError> {
        let _ = context;
        Ok(None)
    }
}

/// Reads one answer. The host feeds complete messages in their order.
pub trait Decoder: Send {
    /// Reads one message and adds the events it holds.
    ///
    /// # Errors
    /// If the answer can no longer be read: the request fails. A single
    /// unreadable message is not an error but `Events::malformed`.
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError>;

    /// The body has ended cleanly.
    ///
    /// # Errors
    /// If what came cannot be a whole answer.
    fn finish(&mut self, out: &mut Events<'_>) -> Result<(), PluginError> {
        let _ = out;
        Ok(())
    }
}
