//! The loading boundary: the frozen header, the types that cross, and the root
//! module. Authors never need this module. Only this module uses `abi_stable`,
//! so that it can be replaced here.
//!
//! What crosses by value never changes. Whatever will grow (options, requests,
//! plans, descriptions) crosses as JSON; kinds cross as open numbers.

#![allow(
    unsafe_code,
    missing_docs,
    non_local_definitions,
    unused_braces,
    unreachable_pub,
    clippy::pedantic,
    clippy::all,
    reason = "what abi_stable's macros write"
)]

mod header;
mod layout;

use abi_stable::StableAbi;
use abi_stable::library::{AbiHeader, AbiHeaderRef, RootModule};
use abi_stable::package_version_strings;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RArc, RBox, RResult, RSlice, RStr, RString, RVec, Tuple2};
use inferbench_contract::OutputKind;

pub use header::{
    API_MAJOR, API_MINOR, HEADER_MAGIC, HEADER_SYMBOL, PluginHeader, ROOT_SYMBOL, unpadded,
};
pub use layout::RootRefusal;
use layout::{check_either_way, first_line};

/// Text of a log line.
pub type LogText<'a> = RStr<'a>;

/// An error across the boundary.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiError {
    pub message: RString,
    /// 1 if the plugin panicked.
    pub panicked: u32,
}

pub type AbiResult<T> = RResult<T, AbiError>;

/// Kind of an event; an open set.
#[repr(transparent)]
#[derive(StableAbi, Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind(pub u32);

impl EventKind {
    pub const TEXT: Self = Self(1);
    pub const REASONING: Self = Self(2);
    pub const TOOL_CALL: Self = Self(3);
    pub const TOKEN_IDS: Self = Self(4);
    pub const USAGE: Self = Self(10);
    pub const FINISH: Self = Self(11);
    pub const ERROR: Self = Self(12);
    pub const END: Self = Self(13);
    pub const MALFORMED: Self = Self(14);
    pub const UNREAD: Self = Self(15);
    pub const MENDED: Self = Self(16);
    /// Usage that [`USAGE`](Self::USAGE) has no room for: `a` image tokens.
    pub const MORE_USAGE: Self = Self(17);
}

/// A count that is not known.
pub const NO_COUNT: u32 = u32::MAX;

/// One event. Text: `a` is the cumulative token count. Usage: `a` prompt, `b`
/// answer, `c` cached, `d` reasoning tokens.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub text_off: u32,
    pub text_len: u32,
    pub a: u32,
    pub b: u32,
    pub c: u32,
    pub d: u32,
}

impl Event {
    /// A piece of output, without its text.
    #[must_use]
    pub const fn output(kind: OutputKind, cumulative_tokens: Option<u32>) -> Self {
        let kind = match kind {
            OutputKind::Text => EventKind::TEXT,
            OutputKind::Reasoning => EventKind::REASONING,
            OutputKind::ToolCall => EventKind::TOOL_CALL,
            OutputKind::TokenIds => EventKind::TOKEN_IDS,
        };
        let mut event = Self::bare(kind);
        if let Some(tokens) = cumulative_tokens {
            event.a = tokens;
        }
        event
    }

    /// An event of that kind without text or counts.
    #[must_use]
    pub const fn bare(kind: EventKind) -> Self {
        Self {
            kind,
            text_off: 0,
            text_len: 0,
            a: NO_COUNT,
            b: NO_COUNT,
            c: NO_COUNT,
            d: NO_COUNT,
        }
    }
}

/// Events of one feed, and their text; owned by the host and used again.
#[repr(C)]
#[derive(StableAbi, Debug, Default)]
pub struct EventBuf {
    pub events: RVec<Event>,
    pub text: RVec<u8>,
}

impl EventBuf {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.text.clear();
    }
}

/// Kind of a message; an open set: 0 data, 1 error event, 2 error field, 3 named event
/// (its name, a line feed, its data).
#[repr(transparent)]
#[derive(StableAbi, Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageKind(pub u32);

/// Framing of an answer; an open set: 0 SSE, 1 NDJSON, 2 body, 3 SSE with
/// named events.
#[repr(transparent)]
#[derive(StableAbi, Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingKind(pub u32);

/// An HTTP request without address.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct HttpRequestAbi {
    pub method: RString,
    pub path: RString,
    pub headers: RVec<Tuple2<RString, RString>>,
    pub body: RVec<u8>,
    pub framing: FramingKind,
}

/// What the host offers to a plugin.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct HostServices {
    /// Takes one line for the host's log: level (1 error, 2 warning, 3 info) and text.
    pub log: extern "C" fn(u32, RStr<'_>),
    /// The host's monotonic clock, ns.
    pub now_ns: extern "C" fn() -> u64,
}

#[sabi_trait]
pub trait DecoderAbi: Send {
    fn feed(
        &mut self,
        kind: MessageKind,
        message: RSlice<'_, u8>,
        out: &mut EventBuf,
    ) -> AbiResult<()>;
    #[sabi(last_prefix_field)]
    fn finish(&mut self, out: &mut EventBuf) -> AbiResult<()>;
}

#[sabi_trait]
pub trait BackendAbi: Send + Sync {
    /// JSON `LaunchContext` in, JSON `LaunchPlan` or `null` out.
    fn launch_plan(&self, context: RSlice<'_, u8>) -> AbiResult<RVec<u8>>;
    /// JSON `RequestSpec` in.
    fn encode_request(&self, request: RSlice<'_, u8>) -> AbiResult<HttpRequestAbi>;
    /// JSON `RequestSpec` in.
    fn open_decoder(&self, request: RSlice<'_, u8>) -> AbiResult<DecoderBox>;
    /// Rare hooks, by name; bytes in and out are JSON or raw as the hook says.
    #[sabi(last_prefix_field)]
    fn call(&self, op: RStr<'_>, input: RSlice<'_, u8>) -> AbiResult<RVec<u8>>;
}

#[sabi_trait]
pub trait EngineSinkAbi: Send + Sync {
    fn now_ns(&self) -> u64;
    #[sabi(last_prefix_field)]
    fn push(&self, id: u64, t_ns: u64, event: Event, text: RStr<'_>) -> bool;
}

#[sabi_trait]
pub trait EngineAbi: Send + Sync {
    /// JSON `RequestSpec` in.
    fn submit(&self, id: u64, request: RSlice<'_, u8>, sink: SinkArc) -> AbiResult<()>;
    fn cancel(&self, id: u64);
    #[sabi(last_prefix_field)]
    fn shutdown(&self);
}

pub type DecoderBox = DecoderAbi_TO<'static, RBox<()>>;
pub type BackendBox = BackendAbi_TO<'static, RBox<()>>;
pub type EngineBox = EngineAbi_TO<'static, RBox<()>>;
pub type SinkArc = EngineSinkAbi_TO<'static, RArc<()>>;

/// The root module of a plugin.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(option))]
pub struct PluginModule {
    /// Called once, before anything else.
    pub init: extern "C" fn(HostServices) -> AbiResult<()>,
    /// JSON array of `Description`s.
    pub describe: extern "C" fn() -> AbiResult<RVec<u8>>,
    /// Name of a backend and JSON `OpenContext` in.
    pub open_backend: extern "C" fn(RStr<'_>, RSlice<'_, u8>) -> AbiResult<BackendBox>,
    /// As `open_backend`, and JSON `LaunchContext`.
    #[sabi(last_prefix_field)]
    pub open_engine:
        extern "C" fn(RStr<'_>, RSlice<'_, u8>, RSlice<'_, u8>) -> AbiResult<EngineBox>,
}

impl std::fmt::Debug for PluginModuleRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PluginModuleRef")
    }
}

impl RootModule for PluginModuleRef {
    abi_stable::declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "inferbench_plugin";
    const NAME: &'static str = "inferbench_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// The root module behind the symbol `ROOT_SYMBOL`. A plugin whose minor
/// version is older than the host's is checked in reverse, so that fields and
/// methods added since may be missing in it.
///
/// # Safety
/// `header` must be the address of that symbol in a library that stays loaded
/// for the rest of the process and whose `PluginHeader` was accepted.
///
/// # Errors
/// See [`RootRefusal`].
pub unsafe fn root_module(
    header: *const AbiHeader,
    plugin_minor: u32,
) -> Result<PluginModuleRef, RootRefusal> {
    // SAFETY: `AbiHeaderRef` is a transparent pointer to an `AbiHeader`, and the
    // caller vouches that the symbol is a `LibHeader`, which begins with one and
    // which `upgrade` checks before it reads further.
    let header = unsafe { std::mem::transmute::<*const AbiHeader, AbiHeaderRef>(header) };
    let library = header.upgrade().map_err(|error| RootRefusal::Checker {
        reason: first_line(&error.to_string()),
    })?;
    if let Some(layout) = library.layout() {
        let expected = <PluginModuleRef as StableAbi>::LAYOUT;
        check_either_way(expected, layout, plugin_minor >= API_MINOR)?;
    }
    // SAFETY: the layouts were found compatible just above.
    unsafe { library.unchecked_layout::<PluginModuleRef>() }.map_err(|error| {
        RootRefusal::Constructor {
            reason: first_line(&error.to_string()),
        }
    })
}

/// Writes the header and the root module of a plugin library.
#[macro_export]
macro_rules! export_plugin {
    () => {
        #[allow(unsafe_code)]
        #[doc(hidden)]
        // SAFETY: the name is this API's own; a library that defines it twice
        // does not link.
        #[unsafe(export_name = "inferbench_plugin_header")]
        pub static INFERBENCH_PLUGIN_HEADER: $crate::abi::PluginHeader =
            $crate::abi::PluginHeader::new(env!("CARGO_PKG_NAME"), cfg!(panic = "unwind"));

        #[allow(unsafe_code)]
        #[doc(hidden)]
        // SAFETY: as above; the constructor returns a `PluginModuleRef` as its
        // type says.
        #[unsafe(export_name = "inferbench_plugin_root")]
        pub static INFERBENCH_PLUGIN_ROOT: $crate::__private::abi_stable::library::LibHeader = {
            extern "C" fn root() -> $crate::__private::abi_stable::library::RootModuleResult {
                $crate::__private::abi_stable::library::__call_root_module_loader(
                    $crate::abi::this_library,
                )
            }
            unsafe {
                $crate::__private::abi_stable::library::LibHeader::from_constructor::<
                    $crate::abi::PluginModuleRef,
                >(
                    root,
                    $crate::__private::abi_stable::library::CheckTypeLayout::Yes,
                )
            }
        };
    };
}

/// The root module of the library this is compiled into.
#[must_use]
pub fn this_library() -> PluginModuleRef {
    use abi_stable::prefix_type::PrefixTypeTrait;
    PluginModule {
        init: crate::adapter::init,
        describe: crate::adapter::describe,
        open_backend: crate::adapter::open_backend,
        open_engine: crate::adapter::open_engine_by_name,
    }
    .leak_into_prefix()
}
