//! The host's side of an opened backend: typed calls over the boundary.

use std::sync::Arc;

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RArc, RResult, RSlice, RStr};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::abi::{
    AbiResult, BackendBox, DecoderBox, EngineBox, EngineSinkAbi, EngineSinkAbi_TO, Event, EventBuf,
    FramingKind, HostServices, HttpRequestAbi, MessageKind, PluginModuleRef, SinkArc,
};
use crate::adapter::{join_evidence, op};
use crate::probe::{ControlRequest, EvidenceSource, Probes};
use crate::{
    Description, Evidence, Framing, HttpRequest, LaunchContext, LaunchPlan, Message, OpenContext,
    PluginError, PromptForm, RequestSpec,
};

fn plain<T>(result: AbiResult<T>) -> Result<T, PluginError> {
    match result {
        RResult::ROk(value) => Ok(value),
        RResult::RErr(error) => Err(error.into()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, PluginError> {
    serde_json::from_slice(bytes)
        .map_err(|error| PluginError::new(format!("plugin gave an unreadable {what}: {error}")))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, PluginError> {
    Ok(serde_json::to_vec(value)?)
}

/// Hands the host's services to a library, once, before anything else.
///
/// # Errors
/// If the plugin fails.
pub fn init(module: PluginModuleRef, services: HostServices) -> Result<(), PluginError> {
    plain(module.init()(services))
}

/// Descriptions of every backend in a library.
///
/// # Errors
/// If the plugin fails or gives something else.
pub fn descriptions(module: PluginModuleRef) -> Result<Vec<Description>, PluginError> {
    parse(&plain(module.describe()())?, "description")
}

/// An opened backend.
pub struct BackendClient {
    inner: BackendBox,
}

impl std::fmt::Debug for BackendClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackendClient")
    }
}

impl BackendClient {
    /// Opens the backend `name` of a library.
    ///
    /// # Errors
    /// If the plugin refuses the options.
    pub fn open(
        module: PluginModuleRef,
        name: &str,
        context: &OpenContext,
    ) -> Result<Self, PluginError> {
        let context = json(context)?;
        let open = module.open_backend();
        let inner = plain(open(RStr::from_str(name), RSlice::from_slice(&context)))?;
        Ok(Self { inner })
    }

    /// How to start the server; `None` if it can only be attached to.
    ///
    /// # Errors
    /// If the plugin cannot make a plan.
    pub fn launch_plan(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        let context = json(context)?;
        let plan = plain(self.inner.launch_plan(RSlice::from_slice(&context)))?;
        parse(&plan, "launch plan")
    }

    /// The HTTP request for one request.
    ///
    /// # Errors
    /// If the plugin cannot encode it.
    pub fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let request = json(request)?;
        let encoded = plain(self.inner.encode_request(RSlice::from_slice(&request)))?;
        http_request(encoded)
    }

    /// A decoder for the answer to `request`.
    ///
    /// # Errors
    /// If the plugin cannot open one.
    pub fn decoder(&self, request: &RequestSpec) -> Result<DecoderClient, PluginError> {
        let request = json(request)?;
        let inner = plain(self.inner.open_decoder(RSlice::from_slice(&request)))?;
        Ok(DecoderClient {
            inner,
            named: Vec::new(),
        })
    }

    /// The form in which it wants its prompts.
    ///
    /// # Errors
    /// If the plugin fails.
    pub fn prompt_form(&self) -> Result<PromptForm, PluginError> {
        parse(&self.call(op::PROMPT_FORM, &[])?, "prompt form")
    }

    /// Where the server can be asked about itself.
    ///
    /// # Errors
    /// If the plugin fails.
    pub fn probes(&self) -> Result<Probes, PluginError> {
        parse(&self.call(op::PROBES, &[])?, "list of probes")
    }

    /// Requests that drop the prefix cache.
    ///
    /// # Errors
    /// If the plugin fails.
    pub fn reset(&self) -> Result<Vec<ControlRequest>, PluginError> {
        parse(&self.call(op::RESET, &[])?, "reset plan")
    }

    /// What a piece of evidence says.
    ///
    /// # Errors
    /// If the plugin cannot read it.
    pub fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        let input = join_evidence(source, bytes)?;
        parse(&self.call(op::EVIDENCE, &input)?, "evidence")
    }

    fn call(&self, op: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        let output = plain(
            self.inner
                .call(RStr::from_str(op), RSlice::from_slice(input)),
        )?;
        Ok(output.into())
    }
}

fn http_request(abi: HttpRequestAbi) -> Result<HttpRequest, PluginError> {
    let framing = match abi.framing {
        FramingKind(0) => Framing::Sse,
        FramingKind(1) => Framing::Ndjson,
        FramingKind(2) => Framing::Body,
        FramingKind(3) => Framing::NamedSse,
        FramingKind(other) => {
            let words = format!("plugin asks for framing {other}, this host knows 0 to 3");
            return Err(PluginError::new(words));
        }
    };
    let headers = abi.headers.into_iter();
    Ok(HttpRequest {
        method: abi.method.into(),
        path: abi.path.into(),
        headers: headers.map(|pair| (pair.0.into(), pair.1.into())).collect(),
        body: abi.body.into(),
        framing,
    })
}

/// An open decoder.
pub struct DecoderClient {
    inner: DecoderBox,
    /// A named event on its way: its name, a line feed, its data.
    named: Vec<u8>,
}

impl std::fmt::Debug for DecoderClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecoderClient")
    }
}

impl DecoderClient {
    /// Feeds one message; its events are added to `out`.
    ///
    /// # Errors
    /// If the plugin fails or panics: the request has failed.
    pub fn feed(&mut self, message: Message<'_>, out: &mut EventBuf) -> Result<(), PluginError> {
        let (kind, bytes) = match message {
            Message::Data(bytes) => (0, bytes),
            Message::ErrorEvent(bytes) => (1, bytes),
            Message::ErrorField(bytes) => (2, bytes),
            Message::NamedEvent { name, data } => {
                self.named.clear();
                self.named.extend_from_slice(name);
                self.named.push(b'\n');
                self.named.extend_from_slice(data);
                (3, self.named.as_slice())
            }
        };
        plain(
            self.inner
                .feed(MessageKind(kind), RSlice::from_slice(bytes), out),
        )
    }

    /// Call it when the body has ended cleanly.
    ///
    /// # Errors
    /// If the plugin fails or panics.
    pub fn finish(&mut self, out: &mut EventBuf) -> Result<(), PluginError> {
        plain(self.inner.finish(out))
    }
}

/// An open in-process engine.
pub struct EngineClient {
    inner: EngineBox,
}

impl std::fmt::Debug for EngineClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineClient")
    }
}

/// What the host does with an engine's events.
pub trait HostSink: Send + Sync + 'static {
    /// The host's monotonic clock, ns.
    fn now_ns(&self) -> u64;
    /// One event of request `id`, stamped `t_ns`; its text is in `buffer`.
    /// Returns whether the request is still wanted.
    fn push(&self, id: u64, t_ns: u64, buffer: &EventBuf) -> bool;
}

struct SinkAdapter(Arc<dyn HostSink>);

impl EngineSinkAbi for SinkAdapter {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }

    fn push(&self, id: u64, t_ns: u64, mut event: Event, text: RStr<'_>) -> bool {
        let mut buffer = EventBuf::default();
        event.text_off = 0;
        event.text_len = text.len() as u32;
        buffer.text.extend_from_copy_slice(text.as_str().as_bytes());
        buffer.events.push(event);
        self.0.push(id, t_ns, &buffer)
    }
}

/// A sink that any number of requests share.
#[derive(Clone)]
pub struct SharedSink(Arc<dyn HostSink>);

impl std::fmt::Debug for SharedSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSink")
    }
}

impl SharedSink {
    /// A sink that gives its events to `host`.
    #[must_use]
    pub fn new(host: impl HostSink) -> Self {
        Self(Arc::new(host))
    }

    fn across(&self) -> SinkArc {
        let adapter = RArc::new(SinkAdapter(Arc::clone(&self.0)));
        EngineSinkAbi_TO::from_ptr(adapter, TD_Opaque)
    }
}

impl EngineClient {
    /// Opens the in-process engine of the backend `name`.
    ///
    /// # Errors
    /// If it has none, or refuses.
    pub fn open(
        module: PluginModuleRef,
        name: &str,
        context: &OpenContext,
        launch: &LaunchContext,
    ) -> Result<Self, PluginError> {
        let (context, launch) = (json(context)?, json(launch)?);
        let open = module.open_engine();
        let engine = open(
            RStr::from_str(name),
            RSlice::from_slice(&context),
            RSlice::from_slice(&launch),
        );
        Ok(Self {
            inner: plain(engine)?,
        })
    }

    /// Hands a request over; its events come to `sink` under `id`.
    ///
    /// # Errors
    /// If the engine refuses it.
    pub fn submit(
        &self,
        id: u64,
        request: &RequestSpec,
        sink: &SharedSink,
    ) -> Result<(), PluginError> {
        let request = json(request)?;
        plain(
            self.inner
                .submit(id, RSlice::from_slice(&request), sink.across()),
        )
    }

    /// Gives a request up.
    pub fn cancel(&self, id: u64) {
        self.inner.cancel(id);
    }

    /// Ends all of the engine's work.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}
