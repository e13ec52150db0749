//! What InferBench and its plugins agree on: all that a plugin compiles against.
//!
//! A plugin is a shared library that knows one kind of backend. It never opens
//! a socket, owns a runtime or takes a time: it *describes*, *plans*,
//! *encodes* and *decodes*; the host does everything that costs time. For a server
//! that is asked over HTTP, write a type that implements [`Server`] and export it:
//!
//! ```ignore
//! inferbench_plugin_api::export_server!(MyServer);
//! ```
//!
//! For anything else, a type that implements [`Backend`], and
//! [`export_backend!`].
//!
//! The boundary itself is in [`abi`]; authors never need it. The tests of a
//! plugin use `inferbench-testkit`.

#![warn(missing_docs)]

pub mod abi;
mod adapter;
pub mod backend;
pub mod client;
pub mod description;
pub mod engine;
pub mod error;
pub mod events;
pub mod json;
pub mod launch;
pub mod log;
pub mod openai;
pub mod prelude;
pub mod probe;
pub mod prometheus;
pub mod registry;
pub mod request;
pub mod server;

pub use backend::{Backend, Decoder, OpenContext};
pub use description::{Capabilities, Description, IdSpan};
pub use engine::{Engine, EventSink};
pub use error::PluginError;
pub use events::{Events, Message};
pub use inferbench_contract::{Evidence, OutputKind, Usage};
pub use launch::{
    EnvVar, Flags, LaunchContext, LaunchPlan, ModelSpec, PlannedFile, PythonPackage, StopPlan,
};
pub use probe::{ControlRequest, EvidenceSource, InfoProbe, Probes};
pub use request::{Framing, HttpRequest, PromptContent, PromptForm, RequestSpec};
pub use server::{Served, Server, Wire};

/// For the exporting macros alone.
#[doc(hidden)]
pub mod __private {
    pub use abi_stable;
    pub use inventory;
}
