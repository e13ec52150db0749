//! What a part of one layer keeps, before it is split over GPUs.

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
