//! What one layer keeps, as the config says it, before it is dealt to GPUs.

use super::error::Bad;
use super::families::{Family, HeadRule};
use super::fields::Fields;
use super::heads;
use super::patterns;

/// How far a layer looks back, which is what it keeps of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// At every token.
    All,
    /// At this many last tokens.
    Window(u64),
    /// At the tokens of its own chunk of this many.
    Chunk(u64),
}

/// What a part of a layer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Keys and values of each head.
    Attention {
        kv_heads: u64,
        k_dim: u64,
        v_dim: u64,
        reach: Reach,
    },
    /// One compressed vector for all heads, and the indexer's key if it has one.
    Latent {
        rank: u64,
        rope: u64,
        index_dim: Option<u64>,
    },
    /// A state that does not grow.
    State(State),
}

/// The state of a recurrent layer: the last inputs of a short convolution, and
/// the recurrent state proper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Gated delta net or another linear attention; else a state-space model.
    pub(super) linear: bool,
    /// Channels of the convolution that tensor parallelism splits: factors of each summand.
    pub(super) conv: Vec<Vec<u64>>,
    /// Groups by which the convolution has a summand `2 x groups x size`; groups
    /// are repeated where they do not divide among GPUs.
    pub(super) groups: Option<(u64, u64)>,
    /// Inputs kept: length of the kernel minus one.
    pub(super) conv_steps: u64,
    /// Heads of the state, which tensor parallelism splits.
    pub(super) heads: u64,
    /// Name of the field that gives them.
    pub(super) heads_field: &'static str,
    /// Sizes of the state of one head.
    pub(super) dims: Vec<u64>,
    /// Data type of the recurrent state, where the config names it.
    pub(super) dtype: Option<String>,
}

/// A model's layers, each a list of its parts; and the query heads, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) layers: Vec<Vec<Part>>,
    pub(super) query_heads: Option<u64>,
}

/// Most layers a model may have; a list of more is no model's.
const MOST_LAYERS: u64 = 100_000;

/// Reads the layers of a model of a known family.
pub(super) fn read(fields: Fields<'_>, family: Family) -> Bad<Model> {
    let count = fields.count(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"])?;
    if count > MOST_LAYERS {
        return Err(fields.wrong_text("num_hidden_layers", count.to_string(), "at most 100,000"));
    }
    let layers = patterns::layers(fields, family, count as usize)?;
    let attends = layers
        .iter()
        .flatten()
        .any(|part| !matches!(part, Part::State(_)));
    let query_heads = match attends {
        true if family.heads == HeadRule::Latent => fields.count_if(heads::QUERY_HEADS)?,
        true => Some(fields.count(heads::QUERY_HEADS)?),
        false => None,
    };
    Ok(Model {
        layers,
        query_heads,
    })
}
