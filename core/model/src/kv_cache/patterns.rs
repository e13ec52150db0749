//! Which layer of a model is of which kind.

use super::compressed;
use super::error::Bad;
use super::families::{Family, Pattern};
use super::fields::Fields;
use super::heads::{QUERY_HEADS, attention, head_dim, part};
use super::layer_lists::{Layers, layer_types, list_of, unknown_type};
use super::part::{Part, Reach};
use super::states;
use super::{mixed, uneven};

/// The parts of each of `count` layers.
pub(super) fn layers(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    match family.pattern {
        Pattern::DeltaNet => delta_net(fields, family, count),
        Pattern::Kimi => kimi(fields, family, count),
        Pattern::Mamba1 => {
            let inner = fields.count(&["intermediate_size"])?;
            let size = fields.count(&["state_size"])?;
            let kernel = fields.count(&["conv_kernel"])?;
            let state = states::mamba1(fields, inner, size, kernel)?;
            Ok(vec![vec![Part::State(state)]; count])
        }
        Pattern::Mamba2 => {
            let state = states::mamba2(fields, &states::MAMBA2)?;
            Ok(vec![vec![Part::State(state)]; count])
        }
        Pattern::Jamba => jamba(fields, family, count),
        Pattern::Bamba => bamba(fields, family, count),
        Pattern::Granite => granite(fields, family, count),
        Pattern::FalconH1 => {
            let attention = attention(fields, family.heads, Reach::All)?;
            let state = Part::State(states::mamba2(fields, &states::BAMBA)?);
            Ok(vec![vec![attention, state]; count])
        }
        Pattern::NemotronH => nemotron(fields, family, count),
        Pattern::Gemma4 => gemma4(fields, count),
        Pattern::Lfm2 => mixed::lfm2(fields, family, count),
        Pattern::MiniMax => mixed::minimax(fields, family, count),
        Pattern::Zamba2 => mixed::zamba2(fields, count),
        Pattern::MiMoV2 => uneven::mimo_v2(fields, count),
        Pattern::Step3p5 => uneven::step3p5(fields, family, count),
        Pattern::NemotronNas => uneven::nemotron_nas(fields, count),
        Pattern::OpenElm => uneven::openelm(fields, count),
        Pattern::Mllama => uneven::mllama(fields, family, count),
        Pattern::DeepSeekV4 => compressed::deepseek_v4(fields, count),
        _ => {
            let reaches = reaches(fields, family.pattern, count)?;
            let keeps = keepers(fields, count)?;
            let each = reaches.into_iter().zip(keeps).map(|(reach, keeps)| {
                Ok(match keeps {
                    true => vec![attention(fields, family.heads, reach)?],
                    false => Vec::new(),
                })
            });
            each.collect()
        }
    }
}

/// Which layers keep a cache of their own. The last `num_kv_shared_layers` use
/// another's (Gemma 3n), or, with `use_cla`, all but each first of
/// `cla_share_factor` do (cross-layer attention, arXiv:2405.12981; Hunyuan).
fn keepers(fields: Fields<'_>, count: usize) -> Bad<Vec<bool>> {
    let shared = fields.count_or_zero("num_kv_shared_layers")?;
    let own = count.saturating_sub(usize::try_from(shared).unwrap_or(usize::MAX));
    let share = match fields.flag("use_cla", false)? {
        true => fields.count_if(&["cla_share_factor"])?.unwrap_or(1),
        false => 1,
    };
    let keeps = |at: usize| at < own && (at as u64).is_multiple_of(share);
    Ok((0..count).map(keeps).collect())
}

/// How far each layer looks.
fn reaches(fields: Fields<'_>, pattern: Pattern, count: usize) -> Bad<Vec<Reach>> {
    let window = |fields: Fields<'_>| fields.count(&["sliding_window"]).map(Reach::Window);
    if let Some(types) = layer_types(fields, count)? {
        let each = types.into_iter().map(|name| match name {
            "full_attention" | "attention" | "global" => Ok(Reach::All),
            "sliding_attention" | "sliding" | "local" => window(fields),
            "chunked_attention" => fields.count(&["attention_chunk_size"]).map(Reach::Chunk),
            other => Err(unknown_type(
                fields,
                other,
                "full_attention, sliding_attention or chunked_attention",
            )),
        });
        return each.collect();
    }
    let set = fields.value("sliding_window").is_some();
    let all = |reach: Reach| Ok(vec![reach; count]);
    match pattern {
        Pattern::Sliding if set => all(window(fields)?),
        Pattern::SlidingFrom if set && fields.flag("use_sliding_window", false)? => {
            let window = window(fields)?;
            let first = fields.count_or_zero("max_window_layers")?;
            Ok(each(count, |at| {
                if (at as u64) < first {
                    Reach::All
                } else {
                    window
                }
            }))
        }
        Pattern::Alternating => {
            let window = window(fields)?;
            Ok(each(
                count,
                |at| if at % 2 == 0 { window } else { Reach::All },
            ))
        }
        Pattern::EveryNth => {
            let window = window(fields)?;
            let nth = fields.count(&["sliding_window_pattern", "_sliding_window_pattern"])?;
            let is_full = |at: usize| (at as u64 + 1).is_multiple_of(nth);
            Ok(each(
                count,
                |at| if is_full(at) { Reach::All } else { window },
            ))
        }
        Pattern::Listed if set => Err(fields.missing("layer_types")),
        Pattern::Chunked => chunked(fields, count),
        _ => all(Reach::All),
    }
}

fn each(count: usize, reach: impl Fn(usize) -> Reach) -> Vec<Reach> {
    (0..count).map(reach).collect()
}

/// Llama 4: layers without positions look at everything, the others at a chunk.
fn chunked(fields: Fields<'_>, count: usize) -> Bad<Vec<Reach>> {
    if fields.value("attention_chunk_size").is_none() && fields.names("attention_chunk_size") {
        return Ok(vec![Reach::All; count]);
    }
    let chunk = Reach::Chunk(fields.count(&["attention_chunk_size"])?);
    let listed = fields
        .numbers("no_rope_layers")?
        .filter(|list| !list.is_empty());
    if let Some(ropes) = listed {
        if ropes.len() != count {
            let must = format!("{count}, as `num_hidden_layers` says");
            return Err(fields.wrong_text(
                "no_rope_layers",
                format!("a list of {}", ropes.len()),
                &must,
            ));
        }
        return Ok(each(
            count,
            |at| if ropes[at] == 0 { Reach::All } else { chunk },
        ));
    }
    let interval = fields.count(&["no_rope_layer_interval"])?;
    let is_full = |at: usize| (at as u64 + 1).is_multiple_of(interval);
    Ok(each(
        count,
        |at| if is_full(at) { Reach::All } else { chunk },
    ))
}

/// Gemma 4: layers that look at everything have larger and, where keys serve as
/// values too, fewer heads.
fn gemma4(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let types = layer_types(fields, count)?.ok_or_else(|| fields.missing("layer_types"))?;
    let heads = fields.count(QUERY_HEADS)?;
    let dim = head_dim(fields, heads)?;
    let kv_heads = fields.count(&["num_key_value_heads"])?;
    let global_dim = fields.count_if(&["global_head_dim"])?.unwrap_or(dim);
    let alike = fields.flag("attention_k_eq_v", false)?;
    let global_heads = match alike {
        true => fields
            .count_if(&["num_global_key_value_heads"])?
            .unwrap_or(kv_heads),
        false => kv_heads,
    };
    let window = Reach::Window(fields.count(&["sliding_window"])?);
    let keeps = keepers(fields, count)?;
    let each = types
        .into_iter()
        .zip(keeps)
        .map(|(name, keeps)| match name {
            _ if !keeps => Ok(Vec::new()),
            "full_attention" => Ok(vec![part(
                heads,
                global_heads,
                (global_dim, global_dim),
                Reach::All,
            )?]),
            "sliding_attention" => Ok(vec![part(heads, kv_heads, (dim, dim), window)?]),
            other => Err(unknown_type(
                fields,
                other,
                "full_attention or sliding_attention",
            )),
        });
    each.collect()
}

fn delta_net(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let attention = vec![attention(fields, family.heads, Reach::All)?];
    let state = vec![Part::State(states::delta_net(fields)?)];
    if let Some(types) = layer_types(fields, count)? {
        let each = types.into_iter().map(|name| match name {
            "full_attention" => Ok(attention.clone()),
            "linear_attention" => Ok(state.clone()),
            other => Err(unknown_type(
                fields,
                other,
                "full_attention or linear_attention",
            )),
        });
        return each.collect();
    }
    let interval = fields.count(&["full_attention_interval"])?;
    let is_full = |at: usize| (at as u64 + 1).is_multiple_of(interval);
    Ok((0..count)
        .map(|at| {
            if is_full(at) {
                attention.clone()
            } else {
                state.clone()
            }
        })
        .collect())
}

/// Kimi: both kinds are listed, counted from 1.
fn kimi(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let inside = fields.inside("linear_attn_config")?;
    let listed = inside.numbers("kda_layers")?;
    let linear = listed.ok_or_else(|| inside.missing("kda_layers"))?;
    let attention = attention(fields, family.heads, Reach::All)?;
    let state = Part::State(states::kimi_delta(inside)?);
    let layer = |at: usize| match linear.contains(&(at as u64 + 1)) {
        true => vec![state.clone()],
        false => vec![attention.clone()],
    };
    Ok((0..count).map(layer).collect())
}

fn jamba(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let period = fields.count(&["attn_layer_period"])?;
    let offset = fields.count_or_zero("attn_layer_offset")?;
    let attention = attention(fields, family.heads, Reach::All)?;
    let inner = fields
        .count(&["mamba_expand"])?
        .saturating_mul(fields.count(&["hidden_size"])?);
    let size = fields.count(&["mamba_d_state"])?;
    let state = states::mamba1(fields, inner, size, fields.count(&["mamba_d_conv"])?)?;
    let state = Part::State(state);
    let layer = |at: usize| match at as u64 % period == offset {
        true => vec![attention.clone()],
        false => vec![state.clone()],
    };
    Ok((0..count).map(layer).collect())
}

fn bamba(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let listed = fields.numbers("attn_layer_indices")?;
    let attending = listed.ok_or_else(|| fields.missing("attn_layer_indices"))?;
    let attention = attention(fields, family.heads, Reach::All)?;
    let state = Part::State(states::mamba2(fields, &states::BAMBA)?);
    let layer = |at: usize| match attending.contains(&(at as u64)) {
        true => vec![attention.clone()],
        false => vec![state.clone()],
    };
    Ok((0..count).map(layer).collect())
}

fn granite(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let types = layer_types(fields, count)?.ok_or_else(|| fields.missing("layer_types"))?;
    let each = types.into_iter().map(|name| match name {
        "attention" => Ok(vec![attention(fields, family.heads, Reach::All)?]),
        "mamba" => Ok(vec![Part::State(states::mamba2(fields, &states::BAMBA)?)]),
        other => Err(unknown_type(fields, other, "attention or mamba")),
    });
    each.collect()
}

/// Nemotron H: `M` is Mamba 2, `*` attention, `-` and `E` keep nothing.
fn nemotron(fields: Fields<'_>, family: Family, count: usize) -> Bad<Layers> {
    let name = "hybrid_override_pattern";
    if fields.value(name).is_none()
        && let Some(types) = fields.texts("layers_block_type")?
    {
        return nemotron_types(
            fields,
            family,
            list_of(fields, "layers_block_type", types, count)?,
        );
    }
    let pattern = fields.text(name)?.ok_or_else(|| fields.missing(name))?;
    if pattern.chars().count() != count {
        let must = format!("a letter for each of {count} layers");
        let value = format!("{} letters", pattern.chars().count());
        return Err(fields.wrong_text(name, value, &must));
    }
    let each = pattern.chars().map(|letter| match letter {
        'M' => Ok(vec![Part::State(states::mamba2(
            fields,
            &states::NEMOTRON,
        )?)]),
        '*' => Ok(vec![attention(fields, family.heads, Reach::All)?]),
        '-' | 'E' => Ok(Vec::new()),
        other => Err(fields.wrong_text(name, format!("'{other}' for a layer"), "M, *, - or E")),
    });
    each.collect()
}

/// The same with a word per layer, as transformers writes it.
fn nemotron_types(fields: Fields<'_>, family: Family, types: Vec<&str>) -> Bad<Layers> {
    let each = types.into_iter().map(|name| match name {
        "mamba" => Ok(vec![Part::State(states::mamba2(
            fields,
            &states::NEMOTRON,
        )?)]),
        "attention" => Ok(vec![attention(fields, family.heads, Reach::All)?]),
        "mlp" | "moe" => Ok(Vec::new()),
        other => {
            let value = format!(
                "\"{}\" for a layer",
                other.chars().take(40).collect::<String>()
            );
            Err(fields.wrong_text("layers_block_type", value, "mamba, attention, mlp or moe"))
        }
    });
    each.collect()
}
