//! Models in which some layers have attention and the others a state.

use super::error::Bad;
use super::families::Family;
use super::fields::Fields;
use super::heads::{self, QUERY_HEADS, attention};
use super::layer_lists::{Layers, layer_types, list_of, unknown_type};
use super::part::{Part, Reach};
use super::states;

/// Zamba 2's hybrid layers where no list names them: those of the 2.7B model,
/// which is the default of its class in transformers.
const ZAMBA2_LAYERS: usize = 54;
const ZAMBA2_HYBRID: [u64; 9] = [6, 12, 18, 24, 30, 36, 42, 47, 51];

/// LFM2 (transformers `Lfm2Config`, vLLM `lfm2.py`): attention where `layer_types`
/// or `full_attn_idxs` says so, short convolutions elsewhere.
pub(super) fn lfm2(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let attends = match (
        layer_types(fields, count)?,
        fields.numbers("full_attn_idxs")?,
    ) {
        (Some(types), _) => types
            .into_iter()
            .map(|name| match name {
                "full_attention" => Ok(true),
                "conv" | "short_conv" => Ok(false),
                other => Err(unknown_type(fields, other, "full_attention or conv")),
            })
            .collect::<Bad<Vec<bool>>>()?,
        (None, Some(listed)) => (0..count as u64).map(|at| listed.contains(&at)).collect(),
        (None, None) => return Err(fields.missing("layer_types")),
    };
    let attention = attention(fields, family.heads, Reach::All)?;
    let state = Part::State(states::short_convolution(fields)?);
    Ok(either(attends, &attention, &state))
}

/// MiniMax Text 01 and M1: full attention where `layer_types` says so, or where
/// `attn_type_list` has a 1; lightning attention elsewhere. Its state is kept in
/// 32 bits by the models' own code (`modeling_minimax_text_01.py`), and in the
/// model's type by transformers, which calls it `minimax`, and by vLLM.
pub(super) fn minimax(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let attends = match (
        layer_types(fields, count)?,
        fields.numbers("attn_type_list")?,
    ) {
        (Some(types), _) => types
            .into_iter()
            .map(|name| match name {
                "full_attention" => Ok(true),
                "linear_attention" => Ok(false),
                other => {
                    let known = "full_attention or linear_attention";
                    Err(unknown_type(fields, other, known))
                }
            })
            .collect::<Bad<Vec<bool>>>()?,
        (None, Some(listed)) => {
            let listed = list_of(fields, "attn_type_list", listed, count)?;
            listed.into_iter().map(|kind| kind == 1).collect()
        }
        (None, None) => return Err(fields.missing("layer_types")),
    };
    let attention = attention(fields, family.heads, Reach::All)?;
    let heads = fields.count(QUERY_HEADS)?;
    let own = (fields.model_type != "minimax").then(|| "float32".to_owned());
    let dtype = states::state_dtype(fields)?.or(own);
    let state = states::lightning(heads, heads::head_dim(fields, heads)?, dtype);
    Ok(either(attends, &attention, &Part::State(state)))
}

/// Zamba 2 (transformers `Zamba2Config`): Mamba 2 in every layer, and before it, in
/// hybrid ones, attention over twice the hidden size. The blocks' weights are
/// shared, their caches are not.
pub(super) fn zamba2(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let hybrid: Vec<u64> = match fields.texts("layers_block_type")? {
        Some(types) => {
            let types = list_of(fields, "layers_block_type", types, count)?;
            let each = (0_u64..).zip(types);
            each.filter(|(_, name)| *name == "hybrid")
                .map(|(at, _)| at)
                .collect()
        }
        None => match fields.numbers("hybrid_layer_ids")? {
            Some(listed) => listed,
            None if count == ZAMBA2_LAYERS => ZAMBA2_HYBRID.to_vec(),
            None => return Err(fields.missing("layers_block_type")),
        },
    };
    let heads = fields.count(QUERY_HEADS)?;
    let kv_heads = fields.count_if(&["num_key_value_heads"])?.unwrap_or(heads);
    let dim = match fields.count_if(&["attention_head_dim"])? {
        Some(dim) => dim,
        None => 2 * fields.count(&["hidden_size"])? / heads,
    };
    let attention = heads::part(heads, kv_heads, (dim, dim), Reach::All)?;
    let state = Part::State(states::zamba2(fields)?);
    let layer = |at: u64| match hybrid.contains(&at) {
        true => vec![attention.clone(), state.clone()],
        false => vec![state.clone()],
    };
    Ok((0..count as u64).map(layer).collect())
}

fn either(attends: Vec<bool>, attention: &Part, state: &Part) -> Layers {
    let layer = |attends: bool| match attends {
        true => vec![attention.clone()],
        false => vec![state.clone()],
    };
    attends.into_iter().map(layer).collect()
}
