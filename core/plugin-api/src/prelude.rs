//! What nearly every plugin names: `use inferbench_plugin_api::prelude::*;`.

pub use crate::backend::{Backend, Decoder, OpenContext};
pub use crate::description::{Capabilities, Description, IdSpan};
pub use crate::engine::{Engine, EventSink};
pub use crate::error::PluginError;
pub use crate::events::{Events, Message};
pub use crate::launch::{Flags, LaunchContext, LaunchPlan, command_line};
pub use crate::probe::{ControlRequest, EvidenceSource, Probes};
pub use crate::request::{Framing, HttpRequest, PromptContent, PromptForm, RequestSpec};
pub use crate::server::{Server, Wire};
pub use crate::{Evidence, OutputKind, Usage};
pub use crate::{export_backend, export_server};
