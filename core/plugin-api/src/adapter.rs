//! Between the safe traits that authors write and the boundary: JSON in and
//! out, and every call guarded, so that no panic crosses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RResult, RSlice, RStr, RString, RVec, Tuple2};
use inferbench_contract::OutputKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::abi::{
    AbiError, AbiResult, BackendAbi, BackendAbi_TO, BackendBox, DecoderAbi, DecoderAbi_TO,
    DecoderBox, EngineAbi, EngineAbi_TO, EngineBox, Event, EventBuf, EventKind, FramingKind,
    HostServices, HttpRequestAbi, MessageKind, SinkArc,
};
use crate::backend::{Backend, Decoder, OpenContext};
use crate::engine::{Engine, EventSink};
use crate::error::PluginError;
use crate::events::{Events, Message};
use crate::launch::LaunchContext;
use crate::probe::EvidenceSource;
use crate::registry::{Registration, registered};
use crate::request::{Framing, HttpRequest, RequestSpec};

static SERVICES: OnceLock<HostServices> = OnceLock::new();

/// Names of the hooks behind `call`.
pub(crate) mod op {
    pub(crate) const PROMPT_FORM: &str = "prompt_form";
    pub(crate) const PROBES: &str = "probes";
    pub(crate) const RESET: &str = "reset";
    pub(crate) const EVIDENCE: &str = "evidence";
}

impl Registration {
    /// The registration of `T`.
    #[must_use]
    pub const fn for_backend<T: Backend>() -> Self {
        Self {
            describe: T::describe,
            open: open::<T>,
            open_engine: open_engine::<T>,
        }
    }
}

impl From<PluginError> for AbiError {
    fn from(error: PluginError) -> Self {
        Self {
            message: error.message.into(),
            panicked: u32::from(error.panicked),
        }
    }
}

impl From<AbiError> for PluginError {
    fn from(error: AbiError) -> Self {
        Self {
            message: error.message.into(),
            panicked: error.panicked == 1,
        }
    }
}

/// Runs `call`; a panic in it becomes an error that carries the panic's words.
fn guard<T>(call: impl FnOnce() -> Result<T, PluginError>) -> AbiResult<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => RResult::ROk(value),
        Ok(Err(error)) => RResult::RErr(error.into()),
        Err(panic) => RResult::RErr(panic_error(&*panic).into()),
    }
}

fn panic_error(panic: &(dyn std::any::Any + Send)) -> PluginError {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    PluginError {
        message: format!("plugin panicked: {words}"),
        panicked: true,
    }
}

fn read<T: DeserializeOwned>(json: RSlice<'_, u8>) -> Result<T, PluginError> {
    Ok(serde_json::from_slice(json.as_slice())?)
}

fn write<T: Serialize>(value: &T) -> Result<RVec<u8>, PluginError> {
    Ok(serde_json::to_vec(value)?.into())
}

pub(crate) extern "C" fn init(services: HostServices) -> AbiResult<()> {
    guard(|| {
        SERVICES.get_or_init(|| services);
        std::panic::set_hook(Box::new(|info| {
            if let Some(services) = SERVICES.get() {
                let text = info.to_string().replace('\n', " ");
                (services.log)(1, RStr::from_str(&text));
            }
        }));
        Ok(())
    })
}

pub(crate) extern "C" fn describe() -> AbiResult<RVec<u8>> {
    guard(|| {
        let all: Vec<_> = registered().iter().map(|r| (r.describe)()).collect();
        write(&all)
    })
}

pub(crate) extern "C" fn open_backend(
    name: RStr<'_>,
    context: RSlice<'_, u8>,
) -> AbiResult<BackendBox> {
    guard(|| {
        let registration = find(name.as_str())?;
        (registration.open)(&read(context)?).map_err(PluginError::from)
    })
}

pub(crate) extern "C" fn open_engine_by_name(
    name: RStr<'_>,
    context: RSlice<'_, u8>,
    launch: RSlice<'_, u8>,
) -> AbiResult<EngineBox> {
    guard(|| {
        let registration = find(name.as_str())?;
        (registration.open_engine)(&read(context)?, &read(launch)?).map_err(PluginError::from)
    })
}

fn find(name: &str) -> Result<&'static Registration, PluginError> {
    registered()
        .into_iter()
        .find(|registration| (registration.describe)().name == name)
        .ok_or_else(|| PluginError::new(format!("this library has no backend `{name}`")))
}

pub(crate) fn open<T: Backend>(context: &OpenContext) -> Result<BackendBox, AbiError> {
    let backend = T::open(context)?;
    Ok(BackendAbi_TO::from_value(Guarded::new(backend), TD_Opaque))
}

pub(crate) fn open_engine<T: Backend>(
    context: &OpenContext,
    launch: &LaunchContext,
) -> Result<EngineBox, AbiError> {
    let engine = T::open(context)?.engine(launch)?;
    let engine = engine.ok_or_else(|| PluginError::new("this backend has no in-process engine"))?;
    Ok(EngineAbi_TO::from_value(Guarded::new(engine), TD_Opaque))
}

/// A value of the author's whose drop is guarded too.
struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    fn new(value: T) -> Self {
        Self(Some(value))
    }

    fn get(&self) -> Result<&T, PluginError> {
        let gone = || PluginError::new("used after it was dropped");
        self.0.as_ref().ok_or_else(gone)
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // A panicking drop has no caller to report to; the panic hook has logged it.
        drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
    }
}

impl<T: Backend> BackendAbi for Guarded<T> {
    fn launch_plan(&self, context: RSlice<'_, u8>) -> AbiResult<RVec<u8>> {
        guard(|| write(&self.get()?.launch(&read(context)?)?))
    }

    fn encode_request(&self, request: RSlice<'_, u8>) -> AbiResult<HttpRequestAbi> {
        guard(|| Ok(self.get()?.encode(&read(request)?)?.into()))
    }

    fn open_decoder(&self, request: RSlice<'_, u8>) -> AbiResult<DecoderBox> {
        guard(|| {
            let decoder = self.get()?.decoder(&read::<RequestSpec>(request)?);
            Ok(DecoderAbi_TO::from_value(Guarded::new(decoder), TD_Opaque))
        })
    }

    fn call(&self, op: RStr<'_>, input: RSlice<'_, u8>) -> AbiResult<RVec<u8>> {
        guard(|| {
            let backend = self.get()?;
            match op.as_str() {
                op::PROMPT_FORM => write(&backend.prompt_form()),
                op::PROBES => write(&backend.probes()),
                op::RESET => write(&backend.reset()),
                op::EVIDENCE => {
                    let (source, bytes) = split_evidence(input.as_slice())?;
                    write(&backend.evidence(&source, bytes)?)
                }
                other => Err(PluginError::new(format!("hook `{other}` is not known"))),
            }
        })
    }
}

/// Input of the evidence hook: one line of JSON for the source, then raw bytes.
pub(crate) fn join_evidence(source: &EvidenceSource, bytes: &[u8]) -> Result<Vec<u8>, PluginError> {
    let mut input = serde_json::to_vec(source)?;
    input.push(b'\n');
    input.extend_from_slice(bytes);
    Ok(input)
}

fn split_evidence(input: &[u8]) -> Result<(EvidenceSource, &[u8]), PluginError> {
    let no_source = || PluginError::new("evidence without a source line");
    let end = input
        .iter()
        .position(|b| *b == b'\n')
        .ok_or_else(no_source)?;
    Ok((serde_json::from_slice(&input[..end])?, &input[end + 1..]))
}

impl DecoderAbi for Guarded<Box<dyn Decoder>> {
    fn feed(
        &mut self,
        kind: MessageKind,
        message: RSlice<'_, u8>,
        out: &mut EventBuf,
    ) -> AbiResult<()> {
        let Some(decoder) = &mut self.0 else {
            return RResult::ROk(());
        };
        let message = match kind.0 {
            1 => Message::ErrorEvent(message.as_slice()),
            2 => Message::ErrorField(message.as_slice()),
            3 => named_event(message.as_slice()),
            _ => Message::Data(message.as_slice()),
        };
        guard(|| decoder.feed(message, &mut Events::new(out)))
    }

    fn finish(&mut self, out: &mut EventBuf) -> AbiResult<()> {
        let Some(decoder) = &mut self.0 else {
            return RResult::ROk(());
        };
        guard(|| decoder.finish(&mut Events::new(out)))
    }
}

/// A name cannot hold a line feed: what stands before the first one is it.
fn named_event(bytes: &[u8]) -> Message<'_> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (name, data) = bytes.split_at(end.unwrap_or(0));
    Message::NamedEvent {
        name,
        data: data.get(1..).unwrap_or_default(),
    }
}

impl EngineAbi for Guarded<Box<dyn Engine>> {
    fn submit(&self, id: u64, request: RSlice<'_, u8>, sink: SinkArc) -> AbiResult<()> {
        guard(|| {
            let request: RequestSpec = read(request)?;
            self.get()?.submit(id, &request, Arc::new(Sink(sink)))
        })
    }

    fn cancel(&self, id: u64) {
        // A panicking cancel leaves the request to its timeout; the hook has logged it.
        let _: AbiResult<()> = guard(|| {
            self.get()?.cancel(id);
            Ok(())
        });
    }

    fn shutdown(&self) {
        // A panicking shutdown has no caller to report to; the hook has logged it.
        let _: AbiResult<()> = guard(|| {
            self.get()?.shutdown();
            Ok(())
        });
    }
}

/// The host's sink, as an author sees it.
struct Sink(SinkArc);

impl Sink {
    fn push(&self, id: u64, t_ns: u64, event: Event, text: &str) -> bool {
        self.0.push(id, t_ns, event, RStr::from_str(text))
    }
}

impl EventSink for Sink {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }

    fn output(
        &self,
        id: u64,
        t_ns: u64,
        kind: OutputKind,
        text: &str,
        cumulative_tokens: Option<u32>,
    ) -> bool {
        self.push(id, t_ns, Event::output(kind, cumulative_tokens), text)
    }

    fn usage(&self, id: u64, input_tokens: u32, output_tokens: u32) -> bool {
        let event = Event {
            a: input_tokens,
            b: output_tokens,
            ..Event::bare(EventKind::USAGE)
        };
        self.push(id, self.now_ns(), event, "")
    }

    fn done(&self, id: u64, finish_reason: &str) -> bool {
        let now = self.now_ns();
        self.push(id, now, Event::bare(EventKind::FINISH), finish_reason);
        self.push(id, now, Event::bare(EventKind::END), "")
    }

    fn error(&self, id: u64, message: &str) -> bool {
        let now = self.now_ns();
        self.push(id, now, Event::bare(EventKind::ERROR), message);
        self.push(id, now, Event::bare(EventKind::END), "")
    }
}

impl From<HttpRequest> for HttpRequestAbi {
    fn from(request: HttpRequest) -> Self {
        let headers = request.headers.into_iter();
        Self {
            method: request.method.into(),
            path: request.path.into(),
            headers: headers
                .map(|(name, value)| Tuple2(RString::from(name), RString::from(value)))
                .collect(),
            body: request.body.into(),
            framing: FramingKind(match request.framing {
                Framing::Sse => 0,
                Framing::Ndjson => 1,
                Framing::Body => 2,
                Framing::NamedSse => 3,
            }),
        }
    }
}
