//! States of recurrent layers: Mamba 1 and 2, gated delta nets, Kimi's delta
//! attention, short convolutions, lightning attention. Shapes as vLLM's `MambaStateShapeCalculator` has them.

use super::error::{Bad, KvError};
use super::fields::Fields;
use super::part::{State, StateKind};

/// Names by which a family has the sizes of Mamba 2.
pub(super) struct Mamba2Names {
    heads: &'static str,
    head_dim: &'static str,
    groups: &'static str,
    size: &'static str,
    kernel: &'static str,
}

/// Mamba 2's own names.
pub(super) const MAMBA2: Mamba2Names = Mamba2Names {
    heads: "num_heads",
    head_dim: "head_dim",
    groups: "n_groups",
    size: "state_size",
    kernel: "conv_kernel",
};
/// Names in Bamba, Granite 4 and Falcon H1.
pub(super) const BAMBA: Mamba2Names = Mamba2Names {
    heads: "mamba_n_heads",
    head_dim: "mamba_d_head",
    groups: "mamba_n_groups",
    size: "mamba_d_state",
    kernel: "mamba_d_conv",
};
/// Names in Nemotron H.
pub(super) const NEMOTRON: Mamba2Names = Mamba2Names {
    heads: "mamba_num_heads",
    head_dim: "mamba_head_dim",
    groups: "n_groups",
    size: "ssm_state_size",
    kernel: "conv_kernel",
};

/// Mamba 2: convolution over inner size and two vectors per group, state of
/// `head_dim x size` per head.
pub(super) fn mamba2(fields: Fields<'_>, names: &Mamba2Names) -> Bad<State> {
    let heads = fields.count(&[names.heads])?;
    let head_dim = fields.count(&[names.head_dim])?;
    let size = fields.count(&[names.size])?;
    Ok(State {
        kind: StateKind::StateSpace,
        conv: vec![vec![heads, head_dim]],
        groups: Some((fields.count(&[names.groups])?, size)),
        conv_steps: fields.count(&[names.kernel])? - 1,
        heads,
        heads_field: names.heads,
        dims: vec![head_dim, size],
        dtype: state_dtype(fields)?,
    })
}

/// Zamba 2's Mamba 2, whose head size follows from the others.
pub(super) fn zamba2(fields: Fields<'_>) -> Bad<State> {
    let heads = fields.count(&["n_mamba_heads"])?;
    let hidden = fields.count(&["hidden_size"])?;
    let inner = fields.count(&["mamba_expand"])?.saturating_mul(hidden);
    if !inner.is_multiple_of(heads) {
        return Err(KvError::NotDivisible {
            field: "mamba_expand x hidden_size".to_owned(),
            value: inner,
            by_name: "n_mamba_heads".to_owned(),
            by: heads,
        });
    }
    let size = fields.count(&["mamba_d_state"])?;
    Ok(State {
        kind: StateKind::StateSpace,
        conv: vec![vec![inner]],
        groups: Some((fields.count(&["mamba_ngroups"])?, size)),
        conv_steps: fields.count(&["mamba_d_conv"])? - 1,
        heads,
        heads_field: "n_mamba_heads",
        dims: vec![inner / heads, size],
        dtype: state_dtype(fields)?,
    })
}

/// LFM2's short convolution over the hidden size.
pub(super) fn short_convolution(fields: Fields<'_>) -> Bad<State> {
    let channels = fields.count(&["conv_dim", "hidden_size"])?;
    Ok(State {
        kind: StateKind::Convolution,
        conv: vec![vec![channels]],
        groups: None,
        conv_steps: fields.count(&["conv_L_cache"])? - 1,
        heads: channels,
        heads_field: "hidden_size",
        dims: Vec::new(),
        dtype: None,
    })
}

/// Lightning attention: a state of `dim x dim` per head and no convolution.
pub(super) fn lightning(heads: u64, dim: u64, dtype: Option<String>) -> State {
    State {
        kind: StateKind::Linear,
        conv: Vec::new(),
        groups: None,
        conv_steps: 0,
        heads,
        heads_field: "num_attention_heads",
        dims: vec![dim, dim],
        dtype,
    }
}

/// Mamba 1: each channel of the inner size has a state of its own.
pub(super) fn mamba1(fields: Fields<'_>, inner: u64, size: u64, kernel: u64) -> Bad<State> {
    Ok(State {
        kind: StateKind::StateSpace,
        conv: vec![vec![inner]],
        groups: None,
        conv_steps: kernel - 1,
        heads: inner,
        heads_field: "intermediate_size",
        dims: vec![size],
        dtype: state_dtype(fields)?,
    })
}

/// Gated delta net: convolution over queries, keys and values, state of
/// `v_dim x k_dim` per value head.
pub(super) fn delta_net(fields: Fields<'_>) -> Bad<State> {
    let k_heads = fields.count(&["linear_num_key_heads"])?;
    let v_heads = fields.count(&["linear_num_value_heads"])?;
    let k_dim = fields.count(&["linear_key_head_dim"])?;
    let v_dim = fields.count(&["linear_value_head_dim"])?;
    Ok(State {
        kind: StateKind::Linear,
        conv: vec![vec![2, k_heads, k_dim], vec![v_heads, v_dim]],
        groups: None,
        conv_steps: fields.count(&["linear_conv_kernel_dim"])? - 1,
        heads: v_heads,
        heads_field: "linear_num_value_heads",
        dims: vec![v_dim, k_dim],
        dtype: state_dtype(fields)?,
    })
}

/// Kimi's delta attention: a convolution each over queries, keys and values,
/// state of `dim x dim` per head. `fields`: those of `linear_attn_config`.
pub(super) fn kimi_delta(fields: Fields<'_>) -> Bad<State> {
    let heads = fields.count(&["num_heads"])?;
    let dim = fields.count(&["head_dim"])?;
    Ok(State {
        kind: StateKind::Linear,
        conv: vec![vec![3, heads, dim]],
        groups: None,
        conv_steps: fields.count(&["short_conv_kernel_size"])? - 1,
        heads,
        heads_field: "num_heads",
        dims: vec![dim, dim],
        dtype: Some("float32".to_owned()),
    })
}

pub(super) fn state_dtype(fields: Fields<'_>) -> Bad<Option<String>> {
    for name in ["mamba_ssm_dtype", "mamba_ssm_cache_dtype"] {
        if let Some(dtype) = fields.text(name)? {
            return Ok(Some(dtype.to_owned()));
        }
    }
    Ok(None)
}
