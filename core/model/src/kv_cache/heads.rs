//! Heads and their sizes, from the fields that each family names them by.

use super::error::{Bad, KvError};
use super::families::HeadRule;
use super::fields::Fields;
use super::part::{Part, Reach};

/// Names of the number of query heads.
pub(super) const QUERY_HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads"];
const HIDDEN: &[&str] = &["hidden_size", "n_embd", "d_model"];

/// What an attention layer keeps, by the rule of its family.
pub(super) fn attention(fields: Fields<'_>, rule: HeadRule, reach: Reach) -> Bad<Part> {
    if rule == HeadRule::Latent {
        return latent(fields);
    }
    let heads = fields.count(QUERY_HEADS)?;
    let kv_heads = kv_heads(fields, rule, heads)?;
    let k_dim = head_dim(fields, heads)?;
    let v_dim = fields.count_if(&["v_head_dim"])?.unwrap_or(k_dim);
    part(heads, kv_heads, (k_dim, v_dim), reach)
}

/// The same, once the figures are known.
pub(super) fn part(
    heads: u64,
    kv_heads: u64,
    (k_dim, v_dim): (u64, u64),
    reach: Reach,
) -> Bad<Part> {
    if !heads.is_multiple_of(kv_heads) {
        return Err(KvError::NotDivisible {
            field: "num_attention_heads".to_owned(),
            value: heads,
            by_name: "num_key_value_heads".to_owned(),
            by: kv_heads,
        });
    }
    Ok(Part::Attention {
        kv_heads,
        k_dim,
        v_dim,
        reach,
    })
}

fn latent(fields: Fields<'_>) -> Bad<Part> {
    Ok(Part::Latent {
        rank: fields.count(&["kv_lora_rank"])?,
        rope: fields.count(&["qk_rope_head_dim"])?,
        index_dim: fields.count_if(&["index_head_dim"])?,
    })
}

fn kv_heads(fields: Fields<'_>, rule: HeadRule, heads: u64) -> Bad<u64> {
    const GROUPED: &[&str] = &["num_key_value_heads", "num_kv_heads", "n_head_kv"];
    match rule {
        HeadRule::Grouped => fields.count(GROUPED),
        HeadRule::GroupedOrAll => Ok(fields.count_if(GROUPED)?.unwrap_or(heads)),
        HeadRule::All | HeadRule::Latent | HeadRule::PerLayer => Ok(heads),
        HeadRule::Groups => fields.count(&["num_attention_groups", "num_key_value_heads"]),
        HeadRule::Falcon => falcon(fields, heads),
        HeadRule::BigCode => Ok(if fields.flag("multi_query", true)? {
            1
        } else {
            heads
        }),
        HeadRule::ChatGlm if fields.flag("multi_query_attention", false)? => {
            fields.count(&["multi_query_group_num"])
        }
        HeadRule::ChatGlm => Ok(heads),
        HeadRule::Attn => attn_config(fields, heads),
    }
}

fn falcon(fields: Fields<'_>, heads: u64) -> Bad<u64> {
    if fields.flag("new_decoder_architecture", false)? {
        return Ok(fields
            .count_if(&["num_kv_heads", "n_head_kv"])?
            .unwrap_or(heads));
    }
    Ok(if fields.flag("multi_query", true)? {
        1
    } else {
        heads
    })
}

fn attn_config(fields: Fields<'_>, heads: u64) -> Bad<u64> {
    if fields.value("attn_config").is_none() {
        return Ok(heads);
    }
    let inside = fields.inside("attn_config")?;
    if let Some(kv_heads) = inside.count_if(&["kv_n_heads"])? {
        return Ok(kv_heads);
    }
    let one = inside.text("attn_type")? == Some("multiquery_attention");
    Ok(if one { 1 } else { heads })
}

/// Size of a head: `head_dim` where the config or its class names it, else
/// hidden size by heads.
pub(super) fn head_dim(fields: Fields<'_>, heads: u64) -> Bad<u64> {
    let explicit = &["head_dim", "attention_head_dim", "kv_channels"];
    if let Some(dim) = fields.count_if(explicit)? {
        return Ok(dim);
    }
    let hidden = fields.count(HIDDEN)?;
    if hidden.is_multiple_of(heads) {
        return Ok(hidden / heads);
    }
    Err(KvError::NotDivisible {
        field: "hidden_size".to_owned(),
        value: hidden,
        by_name: "num_attention_heads".to_owned(),
        by: heads,
    })
}
