//! The user's config as types. Reading it from YAML with places for every
//! error is `yaml`'s job; checks over several keys are in `check`.

mod attach;
mod auto;
mod check;
mod class;
mod images;
mod length;
mod level;
mod load;
mod load_section;
mod options;
mod pause;
mod price;
mod requests;
mod sampling;
mod schema;
mod schema_cycle;
mod search;
mod secrets;
mod shape;
mod share;
mod slo;
mod speed;
mod sweep;
mod threads;
mod tune;
mod wording;
mod workload;

pub use attach::Attach;
pub use check::{CheckError, beyond_limits, check};
pub use images::{ImageFormat, ImagesConfig};
pub use length::Length;
pub use level::{Level, Rate};
pub use load::{Loaded, load};
pub use load_section::{Arrivals, LoadConfig};
pub use options::options_errors;
pub use pause::Pause;
pub use requests::Requests;
pub use sampling::{RandomSampling, Sampling};
pub use schema::schema;
pub use search::{Find, PercentileLimits, SearchConfig, SearchOver, SearchSlo};
pub use secrets::SecretsConfig;
pub use shape::{LoadShape, OnOff, Ramp, Spike, Step};
pub use share::Share;
pub use slo::{SloConfig, Slos};
pub use speed::Speed;
pub use sweep::{Sweep, SweepPoint};
pub use threads::LoadThreads;
pub use tune::{Entrants, Objective, TuneConfig};
pub use workload::{
    Answers, ClassConfig, KeepConfig, LengthsConfig, PrefixCache, PromptSource, ROW_FIELDS,
    ToolCallsConfig, TraceFormat, WorkloadConfig,
};

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::units::DurationText;

/// One benchmark: a model, a workload, a load and the backends to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run: names its folder and heads its report.
    pub name: String,
    /// The model that every backend serves.
    pub model: ModelConfig,
    /// The backends to compare, in the order in which the report shows them.
    pub backends: Vec<BackendConfig>,
    /// What is asked of the backends.
    #[serde(default)]
    pub workload: WorkloadConfig,
    /// How much is asked at a time.
    pub load: LoadConfig,
    /// Looks for the best point of every backend that has a `sweep`, in place of
    /// measuring each of them in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneConfig>,
    /// Blocks: how often every backend is started afresh and measured at every
    /// level. One block gives figures but no verdict.
    #[serde(default = "default_repeats")]
    pub repeats: u32,
    /// Seed of everything random but the prompts: order of backends, arrivals.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Service-level objectives per request, for goodput.
    #[serde(default)]
    pub slo: SloConfig,
    /// What an hour of the machine costs, for cost per token and per request; a
    /// backend may have a price of its own.
    #[serde(default)]
    pub price_per_hour: Option<f64>,
    /// Currency of every price, as the report shows it: `EUR`.
    #[serde(default)]
    pub currency: Option<String>,
    /// GPU sampling.
    #[serde(default)]
    pub gpu: GpuConfig,
    /// Folder in which the run's own folder is made.
    #[serde(default = "default_output")]
    pub output: String,
    /// Keep each answer's text in `requests.jsonl`.
    #[serde(default)]
    pub output_text: bool,
    /// Secrets besides those that are known by the names of their keys.
    #[serde(default, skip_serializing_if = "SecretsConfig::is_empty")]
    pub secrets: SecretsConfig,
}

/// The model under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Hub id or local folder.
    pub id: String,
    /// Weight and activation type, such as `bfloat16`; the backend's choice if absent.
    #[serde(default)]
    pub dtype: Option<String>,
    /// Longest prompt plus answer, in tokens; the backend's choice if absent.
    #[serde(default)]
    pub max_model_len: Option<u32>,
    /// Folder or file with `tokenizer.json`; the model's own if absent.
    #[serde(default)]
    pub tokenizer: Option<String>,
}

/// One backend of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// Name of the plugin for this backend (see `inferbench plugins`).
    pub plugin: String,
    /// Name in the report, unique in the run; the plugin's name if absent.
    #[serde(default)]
    pub label: Option<String>,
    /// The plugin's own options (see `inferbench plugins show NAME`).
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Base URL of a running server, measured instead of launching one:
    /// `http://HOST:PORT`, `https://HOST` or `unix:/PATH/TO/SOCKET`. A list of them is
    /// several replicas, among which requests are spread.
    #[serde(default)]
    pub attach: Option<Attach>,
    /// How the certificate of an `https` server is checked.
    #[serde(default)]
    pub tls: TlsConfig,
    /// HTTP proxy to the attached server, `http://HOST:PORT`; never for this
    /// machine, never from the environment.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Version of the plugin's Python package to launch, in an environment of
    /// its own that uv makes: `0.32.0`.
    #[serde(default)]
    pub version: Option<String>,
    /// Container to launch the server in.
    #[serde(default)]
    pub container: Option<ContainerConfig>,
    /// Environment variables of the launched server.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How the backend is found ready.
    #[serde(default)]
    pub ready_check: ReadyCheck,
    /// How long the backend may take until it is ready: 20 minutes if it is not
    /// set, of which an attached server that accepts no connection gets 30 seconds.
    #[serde(default)]
    pub ready_timeout: Option<DurationText>,
    /// Levels above this concurrency are skipped for this backend, with a note.
    #[serde(default)]
    pub max_concurrency: Option<u32>,
    /// What an hour of the machine that serves this backend costs, in place of the
    /// run's price.
    #[serde(default)]
    pub price_per_hour: Option<f64>,
    /// Values of its settings, of which each combination is a backend of its own; a config
    /// that was read has those in place of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// Which point of a sweep it is, in a config that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<SweepPoint>,
}

impl BackendConfig {
    /// The label, or the plugin's name where none is given.
    #[must_use]
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.plugin)
    }

    /// URLs of the servers that it attaches to; empty if it is launched.
    #[must_use]
    pub fn attached_urls(&self) -> &[String] {
        self.attach.as_ref().map_or(&[], Attach::urls)
    }

    /// Longest time until it is ready.
    #[must_use]
    pub fn ready_limit(&self) -> Duration {
        self.ready_timeout.map_or(READY_LIMIT, |limit| limit.0)
    }

    /// Longest time that an attached server may accept no connection, where
    /// `ready_timeout` does not say how long to wait: nobody is starting it.
    #[must_use]
    pub fn connect_limit(&self) -> Option<Duration> {
        let is_left_open = self.attach.is_some() && self.ready_timeout.is_none();
        is_left_open.then_some(CONNECT_LIMIT)
    }
}

/// Longest time until a backend is ready, unless its config says another: loading
/// a large model takes minutes.
const READY_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Longest time without a connection to an attached server.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Container that a server is launched in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerConfig {
    /// Image, such as `vllm/vllm-openai:v0.32.0`.
    pub image: String,
    /// Program that runs it.
    #[serde(default)]
    pub runtime: ContainerRuntime,
    /// Arguments of `run`, after InferBench's own and before the image.
    #[serde(default)]
    pub args: Vec<String>,
}

/// Program that runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerRuntime {
    /// `docker`.
    #[default]
    Docker,
    /// `podman`.
    Podman,
}

impl ContainerRuntime {
    /// The program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// How the certificate of an `https` server is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file with the certificates that are trusted, instead of the system's:
    /// issuers, and servers' own.
    pub ca_file: Option<String>,
    /// Check the certificate; false takes any, which the report says.
    pub verify: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            verify: true,
        }
    }
}

/// How a backend is found ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadyCheck {
    /// A request like the run's own is answered.
    #[default]
    Request,
    /// The plugin's health path answers 200.
    Health,
    /// Nothing is asked.
    None,
}

/// GPU sampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GpuConfig {
    /// Time between samples.
    pub sample_every: DurationText,
    /// Devices to sample.
    pub devices: Devices,
}

impl Default for GpuConfig {
    fn default() -> Self {
        Self {
            sample_every: DurationText::from_millis(100),
            devices: Devices::All,
        }
    }
}

/// Devices to sample: `all`, `visible`, `none`, or a list of NVML indices or UUIDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// Every device NVML lists.
    All,
    /// Those that `CUDA_VISIBLE_DEVICES` of the backends leaves visible.
    Visible,
    /// No sampling.
    None,
    /// NVML indices or UUIDs.
    Listed(Vec<String>),
}

impl JsonSchema for Devices {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Devices".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`all`, `visible`, `none`, or a list of NVML indices or UUIDs",
            "anyOf": [
                {"enum": ["all", "visible", "none"]},
                {"type": "array", "items": {"type": ["string", "integer"]}},
            ],
        })
    }
}

impl Serialize for Devices {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Visible => serializer.serialize_str("visible"),
            Self::None => serializer.serialize_str("none"),
            Self::Listed(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Devices {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Devices;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`all`, `visible`, `none` or a list of GPU indices or UUIDs")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Devices, E> {
                match text {
                    "all" => Ok(Devices::All),
                    "visible" => Ok(Devices::Visible),
                    "none" => Ok(Devices::None),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Devices, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element::<String>()? {
                    names.push(name);
                }
                Ok(Devices::Listed(names))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn default_repeats() -> u32 {
    3
}

fn default_seed() -> u64 {
    1
}

fn default_output() -> String {
    "results".to_owned()
}
