//! `run.json`: what a run was, where it ran, and how it ended.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::cache_audit::CacheAuditFacts;
use crate::facts::calibration::Calibration;
use crate::facts::crash_cause::KnownCause;
pub use crate::facts::exit_state::ExitState;
use crate::facts::key::CellKey;
use crate::facts::machine::{GpuFacts, HostFacts};
use crate::facts::samples::Evidence;
use crate::facts::self_check::SelfCheck;
use crate::facts::shard::{MergedFacts, ShardFacts};
use crate::facts::warning::{self, Warning};
use crate::kv_cache::KvEstimate;
use crate::plan::{RunPlan, Skipped};

/// Version of `run.json`.
pub const RUN_SCHEMA_VERSION: u32 = 3;
/// Oldest version of it that is read: its warnings are sentences, and its plan has levels
/// without an index.
pub const OLDEST_RUN_SCHEMA_VERSION: u32 = 1;

/// The file `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Version of InferBench that made it.
    pub inferbench_version: String,
    /// The command line that made it, secrets masked; empty if it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The config as resolved, secrets masked.
    pub config: Value,
    /// SHA-256 over the prompts of block 0, hex: equal for equal workloads.
    pub workload_sha256: Option<String>,
    /// Backends of the config, in its order.
    pub backends: Vec<BackendFacts>,
    /// The machine that InferBench ran on.
    pub host: HostFacts,
    /// GPUs that were sampled.
    pub gpus: Vec<GpuFacts>,
    /// Why no GPU was sampled, if none was.
    pub gpu_absence: Option<String>,
    /// What `calibrate` found on this machine, if it was run there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Which shard of a run it is; absent if it is a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardFacts>,
    /// The shards that it was merged from; absent if one machine made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedFacts>,
    /// Start and, once it has ended, end of the run on both clocks.
    pub anchors: Vec<Anchor>,
    /// The plan: order of backends in each block.
    pub plan: RunPlan,
    /// One entry per start of a backend, as it happened.
    pub stages: Vec<StageFacts>,
    /// One entry per cell, as it was measured.
    pub cells: Vec<CellFacts>,
    /// Warnings of the run as a whole, without their sentences.
    #[serde(deserialize_with = "warning::of_any_version")]
    pub warnings: Vec<Warning>,
    /// Files of facts beside this one, by name, once the run has ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileFacts>,
    /// How the run ended.
    pub exit_state: ExitState,
    /// SHA-256 of this file, hex, with zeros in its own place; absent until the run has
    /// ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_sha256: Option<String>,
}

impl Manifest {
    /// Whether any backend was simulated.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.backends.iter().any(|backend| backend.simulated)
    }

    /// Puts in the facts of a start, in place of earlier ones of the same start.
    pub fn put_stage(&mut self, facts: StageFacts) {
        let same = |stage: &&mut StageFacts| {
            (&stage.backend, stage.block) == (&facts.backend, facts.block)
        };
        match self.stages.iter_mut().find(same) {
            Some(stage) => *stage = facts,
            None => self.stages.push(facts),
        }
    }

    /// Shards that made the load.
    #[must_use]
    pub fn shard_count(&self) -> u32 {
        self.merged.as_ref().map_or(1, |merged| merged.count)
    }

    /// URLs of the replicas of a backend; empty if it is one server.
    #[must_use]
    pub fn replicas_of(&self, backend: &str) -> &[String] {
        let mut backends = self.backends.iter();
        let facts = backends.find(|facts| facts.label == backend);
        facts.map_or(&[], |facts| &facts.replicas)
    }

    /// Cells left out by the config.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.plan.skipped
    }
}

/// A file as it was when the run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, hex.
    pub sha256: String,
}

/// One moment on both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anchor {
    /// Monotonic nanoseconds.
    pub monotonic_ns: u64,
    /// The same moment in UTC, RFC 3339.
    pub utc: String,
}

/// What is known of a backend beforehand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendFacts {
    /// Label.
    pub label: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Version of the plugin.
    pub plugin_version: String,
    /// Version of the plugin API it was built against, `major.minor`.
    pub plugin_api: String,
    /// The library's file.
    pub plugin_file: String,
    /// SHA-256 of the file, hex.
    pub plugin_sha256: String,
    /// What it measures is simulated.
    pub simulated: bool,
    /// URL attached to, if it was not launched.
    pub attach: Option<String>,
    /// URLs of its replicas, if it was attached to several servers; `attach` is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// What it is asked with: `token_ids`, `text` or `messages`.
    pub prompt_form: String,
    /// It works on one request at a time, as its plugin states.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_request_at_a_time: bool,
    /// What its KV cache takes, from the model's own config; absent if it is
    /// attached, or if the model is not on this machine or not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_estimate: Option<KvEstimate>,
}

/// One start of a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Command line, secrets masked; absent if attached.
    pub command: Option<Vec<String>>,
    /// Seconds from start to readiness.
    pub ready_s: Option<f64>,
    /// Why it could not be started or did not last; absent if it did.
    pub failure: Option<String>,
    /// The run was interrupted in the middle of it, and that is why it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The known cause of the failure, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<KnownCause>,
    /// Last lines of its log, if it failed.
    pub log_tail: Vec<String>,
    /// What it reported about itself once ready.
    pub evidence: Evidence,
    /// When its start began, monotonic ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ns: Option<u64>,
    /// When its log reported that the weights are loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_ns: Option<u64>,
    /// When it was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ns: Option<u64>,
    /// When it was asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_ns: Option<u64>,
    /// What each source reports about its KV cache: log, metrics, answers.
    #[serde(rename = "kv_told", default, skip_serializing_if = "Vec::is_empty")]
    pub kv_evidence: Vec<KvEvidence>,
    /// The audit of cached answers; absent if this start had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_audit: Option<CacheAuditFacts>,
}

impl StageFacts {
    /// A start of which nothing is known yet.
    #[must_use]
    pub fn new(backend: &str, block: u32) -> Self {
        Self {
            backend: backend.to_owned(),
            block,
            command: None,
            ready_s: None,
            failure: None,
            interrupted: false,
            cause: None,
            log_tail: Vec::new(),
            evidence: Evidence::default(),
            start_ns: None,
            weights_ns: None,
            ready_ns: None,
            stop_ns: None,
            kv_evidence: Vec::new(),
            cache_audit: None,
        }
    }

    /// Takes in what a source reports, in place of what it reported before.
    pub fn record_evidence(&mut self, reported_in: ReportedIn, reported: Evidence) {
        let memory = reported.of_memory();
        self.kv_evidence
            .retain(|known| known.reported_in != reported_in);
        if !memory.is_empty() {
            let evidence = memory;
            self.kv_evidence.push(KvEvidence {
                reported_in,
                evidence,
            });
        }
        self.evidence.absorb(reported);
    }
}

/// What one source reports about the KV cache of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvEvidence {
    /// Where it was reported.
    #[serde(alias = "voice")]
    pub reported_in: ReportedIn,
    /// What it reports; facts that have nothing to do with memory are left out.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// Where a server reports facts about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportedIn {
    /// Lines of its log.
    Log,
    /// Its metrics.
    Metrics,
    /// Its answers about itself, fetched once.
    Info,
}

/// One measured cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellFacts {
    /// Which cell it is.
    #[serde(flatten)]
    pub key: CellKey,
    /// Its first moment.
    pub start_ns: u64,
    /// Its last moment.
    pub end_ns: u64,
    /// It ended by itself: neither the run was interrupted nor the server gone.
    #[serde(default = "complete")]
    pub complete: bool,
    /// Whether the promise held that the run's search or tuning is for; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise_held: Option<bool>,
    /// What a tuning makes large, output tokens per second or per joule, or for a search for
    /// the bend its output tokens per second; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
    /// What the client itself did.
    pub self_check: SelfCheck,
}

/// The default for files without the key.
fn complete() -> bool {
    true
}
