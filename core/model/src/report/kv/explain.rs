//! Why a figure differs from the prediction: the term of the formula that makes
//! the difference, found by trying each.

use super::table::{self, KvLine, KvQuantity};
use super::{EXPLAINED_FROM, Known};
use crate::kv_cache::{KvEstimate, KvTerm, TermKind};
use crate::text::number::{bytes, grouped, percent, three_digits};

/// How near a figure must come to what a cause predicts for the cause to be
/// named.
const FITS_WITHIN: f64 = 0.03;

/// One sentence for each difference above 5 %, or that there is none.
pub(super) fn sentences(known: &Known<'_>, lines: &[KvLine]) -> Vec<String> {
    let Some(estimate) = known.estimate else {
        return Vec::new();
    };
    let mut found: Vec<String> = Vec::new();
    let mut all_within = true;
    for line in lines {
        let (Some(predicted), Some(worst)) = (line.predicted, line.worst()) else {
            continue;
        };
        let Some(difference) = worst.difference.filter(|d| d.abs() > EXPLAINED_FROM) else {
            continue;
        };
        all_within = false;
        // Tokens, bytes and bytes per token differ for one reason.
        let why = cause(
            known,
            estimate,
            line.quantity,
            worst.value / predicted,
            worst.value - predicted,
        );
        let sign = if difference > 0.0 { "above" } else { "below" };
        let head = format!(
            "{}: {} is {} {sign} the predicted {}",
            line.label,
            written(line.quantity, worst.value),
            percent(difference.abs()),
            written(line.quantity, predicted),
        );
        if !found.iter().any(|known| known.ends_with(&why)) {
            found.push(format!("{head}: {why}"));
        }
    }
    if all_within && lines.iter().any(|line| line.predicted.is_some()) {
        found.push("what is reported and measured is within 5 % of the prediction".to_owned());
    }
    found
}

fn written(quantity: KvQuantity, value: f64) -> String {
    match quantity {
        KvQuantity::Tokens => format!("{} tokens", grouped(value.round() as u64)),
        KvQuantity::BytesPerToken if value < 10_000.0 => format!("{} B", three_digits(value)),
        _ => bytes(value.round() as u64),
    }
}

/// What explains that a figure is `ratio` times the prediction and `more` above it.
fn cause(
    known: &Known<'_>,
    estimate: &KvEstimate,
    quantity: KvQuantity,
    ratio: f64,
    more: f64,
) -> String {
    if quantity == KvQuantity::WeightBytes {
        return weights(known, ratio);
    }
    // More tokens in the same memory are fewer bytes per token.
    let bytes_ratio = if quantity == KvQuantity::Tokens {
        1.0 / ratio
    } else {
        ratio
    };
    dtype(known, estimate, bytes_ratio)
        .or_else(|| by_hand(known, estimate))
        .or_else(|| term(estimate, bytes_ratio))
        .or_else(|| ranks(estimate, bytes_ratio))
        .or_else(|| beside_cache(known, quantity, more))
        .unwrap_or_else(|| "no term of the formula explains it".to_owned())
}

fn fits(ratio: f64, expected: f64) -> bool {
    expected > 0.0 && (ratio / expected - 1.0).abs() <= FITS_WITHIN
}

/// Another data type than the prediction takes.
fn dtype(known: &Known<'_>, estimate: &KvEstimate, ratio: f64) -> Option<String> {
    let reported = known
        .reported
        .iter()
        .find_map(|reported| reported.evidence.kv_cache_dtype.as_deref())?;
    let (held, taken) = (width(reported)?, width(&estimate.dtype)?);
    (held != taken && fits(ratio, held / taken)).then(|| {
        format!(
            "the bytes per element: the server keeps {reported}, the prediction takes {}",
            estimate.dtype
        )
    })
}

/// Bytes per element of a data type's name.
fn width(dtype: &str) -> Option<f64> {
    let name = dtype.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    Some(match () {
        () if has("fp8") || has("int8") || has("float8") => 1.0,
        () if has("bf16") || has("fp16") || has("float16") || has("half") => 2.0,
        () if has("float32") || has("fp32") => 4.0,
        () => return None,
    })
}

/// The number of blocks or tokens was set by hand: the memory is not used up.
fn by_hand(known: &Known<'_>, estimate: &KvEstimate) -> Option<String> {
    let bytes = table::reported(known, KvQuantity::Bytes)?;
    let evidence = known.reported.iter().map(|reported| &reported.evidence);
    let mut blocks = evidence.filter_map(|e| Some((e.kv_cache_blocks?, e.kv_block_size?)));
    let (blocks, size) = blocks.next()?;
    let filled = (blocks * size) as f64 * estimate.bytes_per_token as f64;
    (table::is_uniform(estimate) && filled < bytes * (1.0 - EXPLAINED_FROM)).then(|| {
        format!(
            "the number of blocks: {} of {size} tokens are in use where the memory holds {}, so it was set by hand",
            grouped(blocks),
            grouped((bytes / (estimate.bytes_per_token * size).max(1) as f64) as u64),
        )
    })
}

/// A term that is left out, counted alone, or has its other half missing.
fn term(estimate: &KvEstimate, ratio: f64) -> Option<String> {
    let all = estimate.bytes_per_token as f64;
    let growing = || {
        estimate
            .terms
            .iter()
            .filter(|term| term.bytes_per_token > 0)
    };
    let share = |term: &KvTerm| term.bytes_per_token as f64 / all;
    if growing().count() > 1 {
        let without = growing().find(|term| fits(ratio, 1.0 - share(term)));
        if let Some(term) = without {
            return Some(format!(
                "the term of {} is left out: {}",
                name(term.kind),
                term.formula
            ));
        }
        let alone = growing().find(|term| fits(ratio, share(term)));
        if let Some(term) = alone {
            return Some(format!(
                "it counts the term of {} alone: {}",
                name(term.kind),
                term.formula
            ));
        }
        let twice = growing().find(|term| fits(ratio, 1.0 + share(term)));
        if let Some(term) = twice {
            return Some(format!(
                "the term of {} is in it twice: {}",
                name(term.kind),
                term.formula
            ));
        }
    }
    let attention = growing().all(|term| term.kind == TermKind::Attention);
    (attention && fits(ratio, 0.5))
        .then(|| "it is half: keys are counted without values".to_owned())
}

fn name(kind: TermKind) -> &'static str {
    match kind {
        TermKind::Attention => "full attention",
        TermKind::Latent => "latent attention",
        TermKind::Indexer => "the indexer",
        TermKind::SlidingWindow => "sliding windows",
        TermKind::Chunked => "chunked attention",
        TermKind::Scales => "the scales",
        TermKind::StateSpace => "state-space layers",
        TermKind::LinearAttention => "linear attention",
        TermKind::Convolution => "short convolutions",
        TermKind::Compressed => "compressed layers",
        TermKind::CompressorState => "compressors",
    }
}

/// One GPU against all.
fn ranks(estimate: &KvEstimate, ratio: f64) -> Option<String> {
    let gpus = f64::from(estimate.gpus());
    (gpus > 1.0 && fits(ratio, gpus))
        .then(|| format!("the split over GPUs: it counts all {gpus}, the prediction one"))
}

/// Memory that was taken between weights and readiness and is no cache.
fn beside_cache(known: &Known<'_>, quantity: KvQuantity, more: f64) -> Option<String> {
    let measured = known.memory.is_some() && quantity == KvQuantity::Bytes;
    (measured && more > 0.0).then(|| {
        format!(
            "{} beside the cache was taken between the weights and readiness: workspaces, captured graphs, the libraries' own",
            bytes(more.round() as u64)
        )
    })
}

fn weights(known: &Known<'_>, ratio: f64) -> String {
    let reported = table::reported(known, KvQuantity::WeightBytes);
    match reported {
        _ if fits(ratio, 2.0) || fits(ratio, 0.5) => {
            "the data type: the file has another width than the server keeps".to_owned()
        }
        Some(reported) if ratio > 1.0 => format!(
            "the server itself tells {}: the rest is its context on the GPU and what loading left behind",
            bytes(reported.round() as u64)
        ),
        _ if ratio < 1.0 => "tensors of the file are shared or not loaded".to_owned(),
        _ => "the context of the GPU and buffers come on top of the file's tensors".to_owned(),
    }
}
