//! What is reported of each backend: where it came from, what it said about
//! itself, why it failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cache_audit::CacheAudit;
use crate::cell::measured::MeasuredCell;
use crate::config::{Config, Level};
use crate::facts::crash_cause::KnownCause;
use crate::facts::manifest::{BackendFacts, Manifest, StageFacts};
use crate::facts::samples::Evidence;

/// One backend of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendReport {
    /// Label.
    pub label: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Version of the plugin; absent if it was never loaded.
    pub plugin_version: Option<String>,
    /// What it measures is simulated.
    pub simulated: bool,
    /// URL attached to, if it was not launched.
    pub attach: Option<String>,
    /// URLs of its replicas, if it was attached to several servers; `attach` is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// Command line of its first start, secrets masked; absent if attached.
    pub command: Option<Vec<String>>,
    /// What it was asked with: `token_ids`, `text` or `messages`.
    pub prompt_form: Option<String>,
    /// Seconds from start to readiness, one per start that became ready.
    pub ready_s: Vec<f64>,
    /// Starts that failed or did not last.
    pub failures: Vec<Failure>,
    /// Version of the server, as it says.
    pub server_version: Option<String>,
    /// Name of the model in effect, as it says.
    pub model: Option<String>,
    /// Data type in effect, as it says.
    pub dtype: Option<String>,
    /// Longest prompt plus answer in effect, tokens.
    pub max_model_len: Option<u64>,
    /// Tokens that its KV cache holds.
    pub kv_cache_tokens: Option<u64>,
    /// Bytes of its KV cache.
    pub kv_cache_bytes: Option<u64>,
    /// Whether it caches prefixes.
    pub prefix_caching: Option<bool>,
    /// Attention implementation in effect.
    pub attention_backend: Option<String>,
    /// Quantisation of the weights in effect, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Requests that its scheduler works on at once, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running_requests: Option<u64>,
    /// Prompt tokens that its scheduler takes into one step, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batched_tokens: Option<u64>,
    /// It works on one request at a time: more in flight only wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_request_at_a_time: bool,
    /// Share of the tokens drafted by speculative decoding that were accepted, 0 to 1,
    /// as it says; absent if it drafts none or does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_acceptance_ratio: Option<f64>,
    /// The same prompt asked again, against new ones; absent without an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_audit: Option<CacheAudit>,
}

/// A start that failed or did not last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Repeat, from 0.
    pub block: u32,
    /// What happened.
    pub cause: String,
    /// Why, if that is known, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_cause: Option<KnownCause>,
    /// Last lines of its log.
    pub log_tail: Vec<String>,
}

impl Failure {
    /// See `failure_words`.
    #[must_use]
    pub fn words(&self) -> String {
        let known = self.known_cause.as_ref().map(|known| known.name.as_str());
        failure_words(&self.cause, known)
    }
}

/// What happened and, in brackets, why, if that is known and not said yet.
pub(crate) fn failure_words(cause: &str, known_cause: Option<&str>) -> String {
    let cause = cause.trim_end_matches('.');
    match known_cause {
        Some(known) if !cause.contains(known) => format!("{cause} ({known})"),
        _ => cause.to_owned(),
    }
}

/// Measured requests of one backend that failed for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestFailure {
    /// Label of the backend.
    pub backend: String,
    /// Reason, as a short fixed word.
    pub reason: String,
    /// Requests that failed so.
    pub count: u64,
    /// Level of the example.
    pub level: Level,
    /// Repeat of the example, from 0.
    pub block: u32,
    /// Index of the example in its cell, from 0.
    pub index: u64,
    /// HTTP status of the example; absent if no answer began.
    pub http_status: Option<u16>,
    /// The server's or the client's own words on the example.
    pub message: Option<String>,
}

pub(crate) fn all(manifest: &Manifest, config: &Config) -> Vec<BackendReport> {
    config
        .backends
        .iter()
        .map(|backend| {
            let label = backend.label();
            let facts = manifest.backends.iter().find(|facts| facts.label == label);
            let stages = manifest.stages.iter().filter(|s| s.backend == label);
            let mut report = of_stages(&stages.collect::<Vec<_>>());
            report.label = label.to_owned();
            report.plugin.clone_from(&backend.plugin);
            report.attach = backend.attached_urls().first().cloned();
            if let Some(facts) = facts {
                report.take(facts);
            }
            report
        })
        .collect()
}

impl BackendReport {
    fn take(&mut self, facts: &BackendFacts) {
        self.plugin.clone_from(&facts.plugin);
        self.plugin_version = Some(facts.plugin_version.clone());
        self.simulated = facts.simulated;
        self.one_request_at_a_time = facts.one_request_at_a_time;
        self.attach.clone_from(&facts.attach);
        self.replicas.clone_from(&facts.replicas);
        self.prompt_form = Some(facts.prompt_form.clone());
    }
}

fn of_stages(stages: &[&StageFacts]) -> BackendReport {
    let mut evidence = Evidence::default();
    for stage in stages.iter().rev() {
        evidence.absorb(stage.evidence.clone());
    }
    let failures = stages.iter().filter_map(|stage| {
        Some(Failure {
            block: stage.block,
            cause: stage.failure.clone()?,
            known_cause: stage.cause.clone(),
            log_tail: stage.log_tail.clone(),
        })
    });
    let mut audits = stages
        .iter()
        .filter_map(|stage| CacheAudit::from_facts(stage.cache_audit.as_ref()?));
    BackendReport {
        label: String::new(),
        plugin: String::new(),
        plugin_version: None,
        simulated: false,
        attach: None,
        replicas: Vec::new(),
        command: stages.iter().find_map(|stage| stage.command.clone()),
        prompt_form: None,
        ready_s: stages.iter().filter_map(|stage| stage.ready_s).collect(),
        failures: failures.collect(),
        server_version: evidence.version,
        model: evidence.model,
        dtype: evidence.dtype,
        max_model_len: evidence.max_model_len,
        kv_cache_tokens: evidence.kv_cache_tokens,
        kv_cache_bytes: evidence.kv_cache_bytes,
        prefix_caching: evidence.prefix_caching,
        attention_backend: evidence.attention_backend,
        quantization: evidence.quantization,
        max_running_requests: evidence.max_running_requests,
        max_batched_tokens: evidence.max_batched_tokens,
        one_request_at_a_time: false,
        draft_acceptance_ratio: evidence.draft_acceptance_ratio,
        cache_audit: audits.next(),
    }
}

/// Failed measured requests by backend and reason, in order of first
/// appearance.
pub(crate) fn request_failures(cells: &[MeasuredCell<'_>]) -> Vec<RequestFailure> {
    let mut found: Vec<RequestFailure> = Vec::new();
    for MeasuredCell { row: cell, digest } in cells {
        for failure in &digest.failures {
            let count = cell.counts.by_reason.get(&failure.reason).copied();
            let known = found
                .iter_mut()
                .find(|f| f.backend == cell.backend && f.reason == failure.reason);
            if let Some(known) = known {
                known.count += count.unwrap_or(1);
                continue;
            }
            found.push(RequestFailure {
                backend: cell.backend.clone(),
                reason: failure.reason.clone(),
                count: count.unwrap_or(1),
                level: cell.level,
                block: cell.block,
                index: failure.index,
                http_status: failure.http_status,
                message: failure.message.clone(),
            });
        }
    }
    found
}
