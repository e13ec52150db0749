//! DeepSeek V4: every layer looks at a window of the last tokens, and most of them
//! at compressed ones too: one entry for each 4 tokens, picked by an indexer, or
//! for each 128.
//!
//! Sources: transformers `DeepseekV4Config` (kinds of layers, defaults) and vLLM
//! `deepseek_v4_attention.py` and `deepseek_compressor.py` (what is kept).

use super::error::Bad;
use super::fields::Fields;
use super::layer_lists::{Layers, layer_types, unknown_type};
use super::part::{Part, Reach};

/// Tokens of one entry, by the kind of the layer.
const SPARSE: u64 = 4;
const HEAVY: u64 = 128;

pub(super) fn deepseek_v4(fields: Fields<'_>, count: usize) -> Bad<Layers> {
    let ratios = ratios(fields, count)?;
    let dim = fields.count(&["head_dim"])?;
    let rope = fields.count(&["qk_rope_head_dim"])?;
    if rope > dim {
        let must = format!("at most head_dim, {dim}");
        return Err(fields.wrong_text("qk_rope_head_dim", rope.to_string(), &must));
    }
    let index_dim = fields.count(&["index_head_dim"])?;
    let window = Reach::Window(fields.count(&["sliding_window"])?);
    let shared = |ratio, reach| Part::Shared {
        dim,
        rope,
        ratio,
        reach,
    };
    // Values and their scores, twice where an entry overlaps the one before.
    let compressor = |ratio: u64, dim: u64, overlap: u64| Part::Compressor {
        tokens: overlap * ratio,
        width: 2 * overlap * dim,
    };
    let layer = |ratio: u64| {
        let mut parts = vec![shared(1, window)];
        match ratio {
            0 => {}
            HEAVY => parts.extend([shared(HEAVY, Reach::All), compressor(HEAVY, dim, 1)]),
            ratio => parts.extend([
                shared(ratio, Reach::All),
                Part::Indexer {
                    dim: index_dim,
                    ratio,
                },
                compressor(ratio, dim, 2),
                compressor(ratio, index_dim, 2),
            ]),
        }
        parts
    };
    Ok(ratios.into_iter().map(layer).collect())
}

/// Tokens per entry of each layer, 0 for one with a window alone.
fn ratios(fields: Fields<'_>, count: usize) -> Bad<Vec<u64>> {
    if let Some(types) = layer_types(fields, count)? {
        let each = types.into_iter().map(|name| match name {
            "sliding_attention" => Ok(0),
            "compressed_sparse_attention" => Ok(SPARSE),
            "heavily_compressed_attention" => Ok(HEAVY),
            other => Err(unknown_type(
                fields,
                other,
                "sliding_attention, compressed_sparse_attention or heavily_compressed_attention",
            )),
        });
        return each.collect();
    }
    let Some(mut listed) = fields.numbers("compress_ratios")? else {
        // The class's own pattern: two heavy layers, then both kinds in turn.
        let layer = |at: usize| match at >= 2 && (at - 2) % 2 == 1 {
            true => SPARSE,
            false => HEAVY,
        };
        return Ok((0..count).map(layer).collect());
    };
    if listed.len() < count {
        let must = format!("at least {count}, as `num_hidden_layers` says");
        let value = format!("a list of {}", listed.len());
        return Err(fields.wrong_text("compress_ratios", value, &must));
    }
    // Published lists go on with the layers that predict further tokens.
    listed.truncate(count);
    match listed.iter().find(|n| ![0, SPARSE, HEAVY].contains(n)) {
        None => Ok(listed),
        Some(other) => {
            let value = format!("{other} for a layer");
            Err(fields.wrong_text("compress_ratios", value, "0, 4 or 128"))
        }
    }
}
