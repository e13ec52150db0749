//! Models whose attention layers differ in more than how far they look.

use super::error::Bad;
use super::families::Family;
use super::fields::Fields;
use super::heads::{self, QUERY_HEADS, attention};
use super::layer_lists::{Layers, list_of, unknown_type};
use super::part::{Part, Reach};

/// Layers of Llama 3.2 Vision 11B that look at images, the default of
/// transformers' `MllamaTextConfig`.
const MLLAMA_LAYERS: usize = 40;
const MLLAMA_CROSS: [u64; 8] = [3, 8, 13, 18, 23, 28, 33, 38];

/// MiMo V2 (vLLM and SGLang `mimo_v2_flash.py`): a 1 in `hybrid_layer_pattern` is a
/// window, whose heads have fields of their own.
pub(super) fn mimo_v2(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let name = "hybrid_layer_pattern";
    let listed = fields.numbers(name)?.ok_or_else(|| fields.missing(name))?;
    let windowed = list_of(fields, name, listed, count)?;
    let global = {
        let heads = fields.count(QUERY_HEADS)?;
        let k_dim = heads::head_dim(fields, heads)?;
        let v_dim = fields.count_if(&["v_head_dim"])?.unwrap_or(k_dim);
        let kv_heads = fields.count(&["num_key_value_heads"])?;
        heads::part(heads, kv_heads, (k_dim, v_dim), Reach::All)?
    };
    let window = || {
        let heads = fields.count(&["swa_num_attention_heads", "num_attention_heads"])?;
        let k_dim = fields.count(&["swa_head_dim", "head_dim"])?;
        let v_dim = fields.count_if(&["swa_v_head_dim"])?.unwrap_or(k_dim);
        let kv_heads = fields.count(&["swa_num_key_value_heads"])?;
        let reach = fields.count(&["sliding_window_size", "sliding_window"])?;
        heads::part(heads, kv_heads, (k_dim, v_dim), Reach::Window(reach))
    };
    let each = windowed.into_iter().map(|kind| match kind {
        0 => Ok(vec![global.clone()]),
        1 => Ok(vec![window()?]),
        other => Err(fields.wrong_text(name, format!("{other} for a layer"), "0 or 1")),
    });
    each.collect()
}

/// Step 3.5 (transformers `Step3p5Config`, vLLM `step3p5.py`): layers of the type that
/// `attention_other_setting` names have its heads.
pub(super) fn step3p5(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let types = fields.texts("layer_types")?;
    let mut types = types.ok_or_else(|| fields.missing("layer_types"))?;
    // Published lists go on with the layers that predict further tokens.
    types.truncate(count);
    let types = list_of(fields, "layer_types", types, count)?;
    let name = "attention_other_setting";
    let other = match fields.value(name) {
        Some(_) => Some(fields.inside(name)?),
        None => None,
    };
    let other_type = match other {
        Some(other) => other.text("attention_type")?.unwrap_or("sliding_attention"),
        None => "",
    };
    let layer = |name: &str| {
        let reach = match name {
            "full_attention" => Reach::All,
            "sliding_attention" => Reach::Window(fields.count(&["sliding_window"])?),
            unknown => {
                let known = "full_attention or sliding_attention";
                return Err(unknown_type(fields, unknown, known));
            }
        };
        match other.filter(|_| name == other_type) {
            Some(other) => attention(other, family.heads, reach),
            None => attention(fields, family.heads, reach),
        }
    };
    types
        .into_iter()
        .map(|name| Ok(vec![layer(name)?]))
        .collect()
}

/// Nemotron NAS (vLLM `nemotron_nas.py`): attention of a layer may be left out or
/// be replaced with a linear layer; else its KV heads follow from the group size.
pub(super) fn nemotron_nas(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let name = "block_configs";
    let blocks = fields.objects(name)?.ok_or_else(|| fields.missing(name))?;
    let blocks = list_of(fields, name, blocks, count)?;
    let heads = fields.count(QUERY_HEADS)?;
    let dim = heads::head_dim(fields, heads)?;
    let each = blocks.into_iter().map(|block| {
        let own = block.inside("attention")?;
        if own.flag("no_op", false)? || own.flag("replace_with_linear", false)? {
            return Ok(Vec::new());
        }
        let group = own.count(&["n_heads_in_group"])?;
        let reach = own.count_if(&["window_length"])?;
        let reach = reach.map_or(Reach::All, Reach::Window);
        if !heads.is_multiple_of(group) {
            let must = format!("a divisor of num_attention_heads, {heads}");
            return Err(own.wrong_text("n_heads_in_group", group.to_string(), &must));
        }
        Ok(vec![heads::part(heads, heads / group, (dim, dim), reach)?])
    });
    each.collect()
}

/// OpenELM (`configuration_openelm.py` of apple/OpenELM): a list of KV heads, one
/// number for each layer.
pub(super) fn openelm(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let name = "num_kv_heads";
    let listed = fields.numbers(name)?.ok_or_else(|| fields.missing(name))?;
    let listed = list_of(fields, name, listed, count)?;
    let dim = fields.count(&["head_dim"])?;
    let each = listed.into_iter().map(|kv_heads| match kv_heads {
        0 | 65_537.. => {
            Err(fields.wrong_text(name, format!("{kv_heads} for a layer"), "from 1 to 65536"))
        }
        _ => Ok(vec![heads::part(
            kv_heads,
            kv_heads,
            (dim, dim),
            Reach::All,
        )?]),
    });
    each.collect()
}

/// Llama 3.2 Vision: cross-attention layers keep the keys and values of a request's
/// images, and nothing of its text.
pub(super) fn mllama(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let name = "cross_attention_layers";
    let cross = match fields.numbers(name)? {
        Some(listed) => listed,
        None if count == MLLAMA_LAYERS => MLLAMA_CROSS.to_vec(),
        None => return Err(fields.missing(name)),
    };
    let attention: Part = attention(fields, family.heads, Reach::All)?;
    let layer = |at: u64| match cross.contains(&at) {
        true => Vec::new(),
        false => vec![attention.clone()],
    };
    Ok((0..count as u64).map(layer).collect())
}
