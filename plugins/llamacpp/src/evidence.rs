//! What llama.cpp's server reports about itself, in its metrics, its answers and its
//! log.

use inferbench_plugin_api::log::between;
use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence};
use inferbench_plugin_api::prometheus::{MetricNames, Samples};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, json};
use serde_json::Value;

use crate::wire::PROPS_PROBE;

/// Parts of log lines that are read here. Those of the KV cache are there with
/// `--verbosity 4`.
pub(crate) const LOG_PATTERNS: [&str; 4] = [LOADING, "n_ctx_slot = ", "model loaded", "cells, "];
/// Part of the line that a start begins with.
const LOADING: &str = "loading model '";

/// Tokens found in the cache are counted apart from those that are computed, and the
/// share of the cache in use is there in versions before 2025-08 alone.
const NAMES: MetricNames = MetricNames {
    running_requests: "llamacpp:requests_processing",
    waiting_requests: "llamacpp:requests_deferred",
    kv_cache_usage_ratio: "llamacpp:kv_cache_usage_ratio",
    prefix_cache_hits: "llamacpp:prompt_tokens_cached_total",
    prompt_tokens: "llamacpp:prompt_tokens_total",
    generation_tokens: "llamacpp:tokens_predicted_total",
    ..MetricNames::NONE
};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(
    source: &EvidenceSource,
    bytes: &[u8],
    caches: &mut Caches,
) -> Result<Evidence, PluginError> {
    let text = || String::from_utf8_lossy(bytes);
    match source {
        EvidenceSource::Metrics => Ok(metrics(&text())),
        EvidenceSource::LogLine => {
            let mut found = caches.take(&text());
            found.absorb(log_line(&text()));
            Ok(found)
        }
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models(bytes),
            PROPS_PROBE => props(bytes),
            _ => Ok(Evidence::default()),
        },
    }
}

fn metrics(text: &str) -> Evidence {
    let samples = Samples::parse(text);
    let found = samples.evidence(&NAMES);
    let computed_and_cached = found.prompt_tokens.zip(found.prefix_cache_hits);
    let all = computed_and_cached.map(|(computed, cached)| computed + cached);
    Evidence {
        prefix_cache_queries: all,
        prompt_tokens: all.or(found.prompt_tokens),
        draft_acceptance_ratio: samples.ratio(
            "llamacpp:spec_decode_num_accepted_tokens_total",
            "llamacpp:spec_decode_num_draft_tokens_total",
        ),
        ..found
    }
}

/// `meta.size` is the bytes of all tensors.
fn models(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let weights = answer.pointer("/data/0/meta/size").and_then(Value::as_u64);
    Ok(Evidence {
        weights_bytes: weights.filter(|bytes| *bytes > 0),
        ..models_evidence(bytes)?
    })
}

fn props(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = json::read(bytes)?;
    let text = |key: &str| answer.get(key)?.as_str().map(str::to_owned);
    let whole = |path: &str| answer.pointer(path).and_then(Value::as_u64);
    Ok(Evidence {
        model: text("model_path"),
        version: text("build_info"),
        quantization: text("model_ftype"),
        max_model_len: whole("/default_generation_settings/n_ctx"),
        max_running_requests: whole("/total_slots"),
        ..Evidence::default()
    })
}

/// What one line of the log says.
fn log_line(line: &str) -> Evidence {
    Evidence {
        weights_loaded: line.contains("model loaded").then_some(true),
        ..slots(line).unwrap_or_default()
    }
}

/// `initializing, n_slots = 4, n_ctx_slot = 2048, kv_unified = 'false'`. Where slots
/// share one cache without parts of their own, the line does not say its size.
fn slots(line: &str) -> Option<Evidence> {
    let slots: u64 = between(line, "n_slots = ", ",")?.parse().ok()?;
    let each: u64 = between(line, "n_ctx_slot = ", ",")?.parse().ok()?;
    let is_apart = line.contains("kv_unified = 'false'");
    Some(Evidence {
        max_running_requests: Some(slots),
        max_model_len: Some(each),
        kv_cache_tokens: is_apart.then(|| slots.saturating_mul(each)),
        ..Evidence::default()
    })
}

/// The caches of one start. A model with sliding windows has two, and a draft model its
/// own: each has a line.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    bytes: f64,
    tokens: u64,
}

impl Caches {
    /// Takes a line of the log in its order, and gives what all of them say so far.
    pub(crate) fn take(&mut self, line: &str) -> Evidence {
        if line.contains(LOADING) {
            *self = Self::default();
        }
        self.cache(line).unwrap_or_default()
    }

    /// `llama_kv_cache: size =   16.00 MiB (  2048 cells,   2 layers,  4/4 seqs), K
    /// (f16):    8.00 MiB, V (f16):    8.00 MiB`: cells of each of the streams, the
    /// second number of `seqs`. That of a window has fewer cells.
    fn cache(&mut self, line: &str) -> Option<Evidence> {
        let (_, size) = line.split_once("llama_kv_cache: size =")?;
        let mib: f64 = size.split_once("MiB")?.0.trim().parse().ok()?;
        let cells: u64 = between(size, "(", " cells")?.trim().parse().ok()?;
        let streams: u64 = between(size, "/", " seqs")?.trim().parse().ok()?;
        self.bytes += (mib * (1_u64 << 20) as f64).round();
        self.tokens = self.tokens.max(cells.saturating_mul(streams));
        Some(Evidence {
            kv_cache_tokens: Some(self.tokens),
            kv_cache_bytes: (self.bytes >= 1.0).then_some(self.bytes as u64),
            kv_cache_dtype: between(size, "K (", ")").map(str::to_owned),
            ..Evidence::default()
        })
    }
}
