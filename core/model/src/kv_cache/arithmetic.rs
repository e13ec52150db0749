//! From a config and a server's options to the estimate of the GPU that needs
//! the most.

use serde_json::Value;

use super::checkpoint;
use super::error::{Bad, KvError};
use super::estimate::{KvEstimate, KvTerm};
use super::families::family;
use super::fields::{self, Fields};
use super::layers::{self, Model};
use super::options::KvOptions;
use super::part::Part;
use super::rank::Rank;
use crate::text::number::grouped;

/// Largest parallel size, and largest block.
const MOST_OPTION: u64 = 65_536;

/// The estimate for the model whose `config.json` this is.
///
/// # Errors
/// See [`KvError`]: the file is no config, the model type is not known, a field
/// is missing or wrong, figures do not divide.
pub fn estimate(config: &[u8], options: &KvOptions) -> Result<KvEstimate, KvError> {
    estimate_of_files(config, None, options)
}

/// The same for a model that may have an `hf_quant_config.json` beside it. One that is
/// no JSON asks for nothing.
///
/// # Errors
/// As [`estimate`].
pub fn estimate_of_files(
    config: &[u8],
    hf_quant_config: Option<&[u8]>,
    options: &KvOptions,
) -> Result<KvEstimate, KvError> {
    let config = fields::parse(config)?;
    let quantization = hf_quant_config.and_then(|bytes| serde_json::from_slice(bytes).ok());
    estimate_value(&config, quantization.as_ref(), options)
}

fn estimate_value(
    config: &Value,
    hf_quant: Option<&Value>,
    options: &KvOptions,
) -> Bad<KvEstimate> {
    let fields = Fields::of_text_part(config)?;
    let Some(family) = family(fields.model_type) else {
        return Err(unknown(fields));
    };
    let fields = fields.with_defaults(family.defaults);
    check_options(options)?;
    let model = layers::read(fields, family)?;
    let asked = match options.dtype.as_deref().unwrap_or("auto") {
        "auto" => checkpoint::asked(config, hf_quant, options.takes_scheme)?,
        _ => None,
    };
    let rank = Rank::new(fields, options, asked, head_ranks(options)?)?;
    rank.check(fields, &model)?;
    let mut most: Option<Vec<KvTerm>> = None;
    for part in layers_of_ranks(&model, options.pipeline_parallel)? {
        let terms = rank.terms(part)?;
        if most
            .as_ref()
            .is_none_or(|so_far| weight(&terms) > weight(so_far))
        {
            most = Some(terms);
        }
    }
    let terms = most.unwrap_or_default();
    let sum = |of: fn(&KvTerm) -> u64| {
        let each = terms.iter().map(of);
        each.fold(0, u64::saturating_add)
    };
    Ok(KvEstimate {
        model_type: fields.model_type.to_owned(),
        dtype: rank.dtype.name().to_owned(),
        dtype_source: Some(rank.dtype_source),
        tensor_parallel: options.tensor_parallel,
        pipeline_parallel: options.pipeline_parallel,
        context_parallel: u32::try_from(rank.context).unwrap_or(u32::MAX),
        data_parallel: options.data_parallel,
        gpus: Some(gpus(options)),
        weight_gpus: Some(weight_gpus(fields, options)),
        block_size: options.block_size,
        bytes_per_token: sum(|term| term.bytes_per_token),
        bytes_per_sequence: sum(|term| term.bytes_per_sequence),
        terms,
        weight_bytes: None,
    })
}

/// GPUs that split the heads: those of a tensor-parallel group, or of each part of
/// one that has a cache of its own.
fn head_ranks(options: &KvOptions) -> Bad<u32> {
    let mut ranks = options.tensor_parallel;
    let attention_ranks = match options.attention_data_parallel {
        true => options.data_parallel,
        false => 1,
    };
    for (name, size) in [
        ("data parallel size", attention_ranks),
        (
            "attention context parallel size",
            options.attention_context_parallel,
        ),
        (
            "decode context parallel size",
            options.decode_context_parallel,
        ),
    ] {
        if !ranks.is_multiple_of(size) {
            return Err(KvError::NotDivisible {
                field: "tensor parallel size".to_owned(),
                value: u64::from(ranks),
                by_name: name.to_owned(),
                by: u64::from(size),
            });
        }
        // Ranks of decode context parallelism have all heads of their group.
        if name != "decode context parallel size" {
            ranks /= size;
        }
    }
    Ok(ranks)
}

/// GPUs of one engine.
fn engine_gpus(options: &KvOptions) -> u32 {
    options
        .tensor_parallel
        .saturating_mul(options.pipeline_parallel)
}

/// GPUs of all engines.
fn gpus(options: &KvOptions) -> u32 {
    let engines = match options.attention_data_parallel {
        true => 1,
        false => options.data_parallel,
    };
    let of_one = engine_gpus(options).saturating_mul(options.prefill_context_parallel);
    of_one.saturating_mul(engines)
}

/// GPUs that the weights are split over. Experts are split over the engines too
/// (vLLM's and SGLang's data parallelism with experts); what share of the weights
/// they are is not known, so this is the most.
fn weight_gpus(fields: Fields<'_>, options: &KvOptions) -> u32 {
    const EXPERTS: [&str; 5] = [
        "num_experts",
        "num_local_experts",
        "n_routed_experts",
        "moe_num_experts",
        "num_moe_experts",
    ];
    match EXPERTS.iter().any(|name| fields.value(name).is_some()) {
        true => gpus(options),
        false => engine_gpus(options),
    }
}

/// By which the rank that needs the most is found: a long sequence's bytes.
fn weight(terms: &[KvTerm]) -> u64 {
    const LONG: u64 = 131_072;
    let each = terms.iter().map(|term| term.sequence_bytes(LONG, 1));
    each.fold(0, u64::saturating_add)
}

fn unknown(fields: Fields<'_>) -> KvError {
    let plain = [
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "hidden_size",
    ];
    let missing: Vec<&str> = plain
        .into_iter()
        .filter(|name| fields.value(name).is_none())
        .collect();
    let lacks = match missing.is_empty() {
        true => String::new(),
        false => format!(
            "; of plain attention's fields it lacks {}",
            missing.join(", ")
        ),
    };
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(60).collect();
    KvError::UnknownModel {
        model_type: short(fields.model_type),
        architecture: short(&fields.architecture()),
        lacks,
    }
}

fn check_options(options: &KvOptions) -> Bad<()> {
    let named = [
        ("tensor parallel size", options.tensor_parallel),
        ("pipeline parallel size", options.pipeline_parallel),
        (
            "decode context parallel size",
            options.decode_context_parallel,
        ),
        (
            "prefill context parallel size",
            options.prefill_context_parallel,
        ),
        (
            "attention context parallel size",
            options.attention_context_parallel,
        ),
        ("data parallel size", options.data_parallel),
        ("block size", options.block_size),
    ];
    for (name, value) in named {
        if !(1..=MOST_OPTION).contains(&u64::from(value)) {
            return Err(KvError::Wrong {
                field: name.to_owned(),
                value: value.to_string(),
                must: format!("from 1 to {}", grouped(MOST_OPTION)),
            });
        }
    }
    Ok(())
}

/// The layers of each rank, split as vLLM does: evenly, and what is left over one
/// each to the ranks before the last, from the back.
fn layers_of_ranks(model: &Model, ranks: u32) -> Bad<Vec<&[Vec<Part>]>> {
    let (count, ranks) = (model.layers.len(), ranks as usize);
    if ranks > count {
        return Err(KvError::Wrong {
            field: "pipeline parallel size".to_owned(),
            value: ranks.to_string(),
            must: format!("at most the model's {count} layers"),
        });
    }
    let mut sizes = vec![count / ranks; ranks];
    for back in 0..count % ranks {
        sizes[ranks - 2 - back] += 1;
    }
    let mut rest = &model.layers[..];
    let parts = sizes.into_iter().map(|size| {
        let (part, after) = rest.split_at(size);
        rest = after;
        part
    });
    Ok(parts.collect())
}
