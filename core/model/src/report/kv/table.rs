//! The quantities side by side: predicted, reported by the server, measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Known, Line};
use crate::facts::manifest::ReportedIn;
use crate::facts::samples::Evidence;
use crate::kv_cache::KvEstimate;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KvQuantity {
    /// Tokens that the cache holds, all data-parallel ranks together.
    Tokens,
    /// Bytes of the cache on one GPU of each rank.
    Bytes,
    /// Bytes of one token on one GPU.
    BytesPerToken,
    /// Bytes of the weights on one GPU.
    WeightBytes,
}

/// One quantity, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KvLine {
    /// Which.
    pub quantity: KvQuantity,
    /// Heading for a reader.
    pub label: String,
    /// By the formula: tokens from the memory that is reported, memory from the
    /// tokens that are reported.
    pub predicted: Option<f64>,
    /// By the server's log.
    pub log: Option<KvCell>,
    /// By its metrics.
    pub metrics: Option<KvCell>,
    /// By its answers about itself.
    pub info: Option<KvCell>,
    /// From outside: steps of the GPUs' memory, or growth over the tokens.
    pub measured: Option<KvCell>,
}

/// One value and how far it is from the prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KvCell {
    /// The value, in the line's unit.
    pub value: f64,
    /// (value - predicted) / predicted; absent without a prediction.
    pub difference: Option<f64>,
}

impl KvLine {
    /// What differs most from the prediction, if anything is reported or measured.
    #[must_use]
    pub fn worst(&self) -> Option<KvCell> {
        let cells = [self.log, self.metrics, self.info, self.measured];
        let far = |cell: &KvCell| cell.difference.unwrap_or(0.0).abs();
        let known = cells.into_iter().flatten();
        known.max_by(|a, b| far(a).total_cmp(&far(b)))
    }
}

/// Tokens that a source reports: as such, or as blocks.
///
/// A block's size that no source reports is the power of two nearest to what the
/// number of full-length requests comes to: vLLM before 0.7.4 counted blocks.
pub(super) fn tokens_of(evidence: &Evidence) -> Option<f64> {
    let blocks = evidence.kv_cache_blocks.map(|n| n as f64);
    let by_blocks = || {
        let size = match evidence.kv_block_size {
            Some(size) => size as f64,
            None => {
                let about = evidence.kv_cache_tokens_about? / blocks?;
                (about > 0.0).then(|| about.log2().round().exp2())?
            }
        };
        Some(blocks? * size)
    };
    let tokens = evidence.kv_cache_tokens.map(|n| n as f64);
    tokens.or_else(by_blocks).filter(|tokens| *tokens > 0.0)
}

pub(super) fn lines(known: &Known<'_>, growth: Option<&Line>) -> Vec<KvLine> {
    let lines = [
        line(known, KvQuantity::Tokens, "Tokens that fit", None),
        line(known, KvQuantity::Bytes, "KV cache", cache_step(known)),
        line(
            known,
            KvQuantity::BytesPerToken,
            "Bytes per token",
            growth.map(|line| line.slope),
        ),
        line(
            known,
            KvQuantity::WeightBytes,
            "Weights",
            weights_step(known),
        ),
    ];
    let lines = lines.into_iter();
    lines.filter(|line| line.worst().is_some()).collect()
}

fn line(known: &Known<'_>, quantity: KvQuantity, label: &str, measured: Option<f64>) -> KvLine {
    let predicted = predicted(known, quantity);
    let cell = |value: Option<f64>| {
        value.map(|value| KvCell {
            value,
            difference: predicted.filter(|p| *p > 0.0).map(|p| (value - p) / p),
        })
    };
    let by = |source: ReportedIn| {
        let mut reported = known
            .reported
            .iter()
            .filter(|reported| reported.reported_in == source);
        cell(reported.find_map(|reported| value(&reported.evidence, quantity)))
    };
    KvLine {
        quantity,
        label: label.to_owned(),
        predicted,
        log: by(ReportedIn::Log),
        metrics: by(ReportedIn::Metrics),
        info: by(ReportedIn::Info),
        measured: cell(measured),
    }
}

fn value(evidence: &Evidence, quantity: KvQuantity) -> Option<f64> {
    let bytes = evidence.kv_cache_bytes.map(|n| n as f64);
    match quantity {
        KvQuantity::Tokens => tokens_of(evidence),
        KvQuantity::Bytes => bytes,
        KvQuantity::BytesPerToken => Some(bytes? / tokens_of(evidence)?),
        KvQuantity::WeightBytes => evidence.weights_bytes.map(|n| n as f64),
    }
}

/// From the first source that reports it; the log rounds, so it comes last.
pub(super) fn reported(known: &Known<'_>, quantity: KvQuantity) -> Option<f64> {
    let sources = [ReportedIn::Metrics, ReportedIn::Info, ReportedIn::Log];
    sources.iter().find_map(|source| {
        let mut own = known
            .reported
            .iter()
            .filter(|reported| reported.reported_in == *source);
        own.find_map(|reported| value(&reported.evidence, quantity))
    })
}

fn predicted(known: &Known<'_>, quantity: KvQuantity) -> Option<f64> {
    let estimate = known.estimate?;
    match quantity {
        KvQuantity::Tokens => {
            let bytes = reported(known, KvQuantity::Bytes)?;
            tokens_in(known, estimate, bytes)
        }
        KvQuantity::Bytes => {
            let tokens = reported(known, KvQuantity::Tokens)?;
            Some(tokens * rate(known, estimate)?)
        }
        KvQuantity::BytesPerToken => rate(known, estimate),
        KvQuantity::WeightBytes => {
            let engine = estimate
                .tensor_parallel
                .max(1)
                .saturating_mul(estimate.pipeline_parallel.max(1));
            // Of experts that are split over several engines the share is not known.
            let is_known = estimate.weight_gpus() == engine;
            let bytes = estimate.weight_bytes.filter(|_| is_known);
            bytes.map(|n| n as f64 / f64::from(engine))
        }
    }
}

/// Tokens in so many bytes, in whole blocks where every layer keeps every token.
fn tokens_in(known: &Known<'_>, estimate: &KvEstimate, bytes: f64) -> Option<f64> {
    let rate = rate(known, estimate)?;
    if !is_uniform(estimate) {
        return Some((bytes / rate).floor());
    }
    let sizes = known
        .reported
        .iter()
        .find_map(|reported| reported.evidence.kv_block_size);
    let block = sizes.unwrap_or_else(|| u64::from(estimate.block_size.max(1))) as f64;
    Some((bytes / (rate * block)).floor() * block)
}

/// Bytes of one token; of one of a full-length request where layers keep only
/// some tokens, as vLLM counts there.
fn rate(known: &Known<'_>, estimate: &KvEstimate) -> Option<f64> {
    let rate = if is_uniform(estimate) {
        estimate.bytes_per_token as f64
    } else {
        let length = known.max_model_len.filter(|n| *n > 0)?;
        estimate.sequence_bytes(length) as f64 / length as f64
    };
    (rate > 0.0).then_some(rate)
}

/// Whether every layer keeps every token.
pub(super) fn is_uniform(estimate: &KvEstimate) -> bool {
    let grows =
        |term: &crate::kv_cache::KvTerm| term.cap_tokens.is_none() && term.bytes_per_sequence == 0;
    estimate.terms.iter().all(grows)
}

/// What the weights took, per GPU that they are spread over.
fn weights_step(known: &Known<'_>) -> Option<f64> {
    let steps = known.memory?;
    let grown = steps.weights_bytes?.saturating_sub(steps.before_bytes);
    spread(known, grown)
}

/// What came after the weights: the cache, and all else that is allocated until
/// the server is ready.
fn cache_step(known: &Known<'_>) -> Option<f64> {
    let steps = known.memory?;
    let grown = steps.ready_bytes.saturating_sub(steps.weights_bytes?);
    // Servers report the caches of all ranks together.
    let ranks = known.estimate.map_or(1, |e| e.data_parallel.max(1));
    Some(spread(known, grown)? * f64::from(ranks))
}

fn spread(known: &Known<'_>, bytes: u64) -> Option<f64> {
    let gpus = known.estimate.map_or(1, KvEstimate::gpus);
    (bytes > 0).then(|| bytes as f64 / f64::from(gpus))
}
