//! Why a capture is no witness of a run.

use std::io;
use std::path::PathBuf;

use inferbench_plugin_api::PluginError;
use thiserror::Error;

use crate::store::StoreError;

/// A capture that a run cannot be held against.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// It cannot be read.
    #[error("{}: cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It has no byte.
    #[error("{}: is empty, must be a pcap or pcapng file", .0.display())]
    Empty(PathBuf),
    /// It is something else.
    #[error("{}: is no capture, must be a pcap or pcapng file", .0.display())]
    NoCapture(PathBuf),
    /// It is damaged.
    #[error("{}: cannot be read behind packet {after}, at byte {at}", file.display())]
    Damaged {
        file: PathBuf,
        /// Packets that could be read.
        after: u64,
        /// Where the next would be.
        at: u64,
    },
    /// It has no packet at all.
    #[error("{}: holds no packet", .0.display())]
    NoPacket(PathBuf),
    /// Its packets come from a device of another kind.
    #[error(
        "{}: its packets have link type {link_type}, must be 1 (Ethernet), 101, 228 or 229 (IP), 113 or 276 (Linux cooked, of `-i any`)",
        file.display()
    )]
    LinkType {
        file: PathBuf,
        /// Number of the link type, as libpcap counts them.
        link_type: i32,
    },
    /// All that it holds is encrypted.
    #[error(
        "{}: holds TLS only ({connections} connections): what is inside cannot be read, must be plain HTTP",
        file.display()
    )]
    OnlyTls { file: PathBuf, connections: u64 },
    /// No connection in it carries HTTP.
    #[error("{}: holds no HTTP request in its {packets} packets", file.display())]
    NoHttp { file: PathBuf, packets: u64 },
    /// The requests of the run are none that it could hold.
    #[error("the run sent nothing over plain HTTP: backend `{backend}` {why}")]
    NoPlainHttp {
        /// Label of the first backend.
        backend: String,
        /// How it is asked instead.
        why: &'static str,
    },
    /// It is of another time, or of another run.
    #[error(
        "{}: holds none of the {sent} requests of this run: its packets are {captured}, the load ran {ran}",
        file.display()
    )]
    OtherRun {
        file: PathBuf,
        /// Requests that the run sent.
        sent: u64,
        /// From when to when its packets are, in words.
        captured: String,
        /// The same of the run's load.
        ran: String,
    },
    /// Its shards ran on several machines, each with its own clock and connections.
    #[error(
        "the run was made by shards on {machines} machines, and a capture has the connections and the clock of one: hold it against a run whose shards are all on that machine"
    )]
    SeveralMachines { machines: usize },
    /// The run does not say when it was.
    #[error("run.json has no `anchors` with a time in UTC, so its clock cannot be compared")]
    NoAnchor,
    /// The run's config cannot be understood.
    #[error("run.json: `config` cannot be understood")]
    Config(#[source] serde_json::Error),
    /// The answers of a backend cannot be read without its plugin.
    #[error("backend `{backend}` was asked by plugin `{plugin}`, which is not loaded")]
    NoPlugin {
        /// Label of the backend.
        backend: String,
        plugin: String,
    },
    /// The plugin refuses.
    #[error("plugin `{plugin}` does not open backend `{backend}` as run.json has it")]
    Refused {
        /// Label of the backend.
        backend: String,
        plugin: String,
        #[source]
        source: PluginError,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CaptureError {
    /// One thing to do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty(_) => Some("stop tcpdump with Ctrl-C, so that it writes what it holds"),
            Self::NoPacket(_) | Self::NoHttp { .. } => Some(
                "capture with `tcpdump -i any -w FILE port PORT`, from before the run to its end",
            ),
            Self::NoPlugin { .. } => Some("see inferbench plugins"),
            _ => None,
        }
    }
}
