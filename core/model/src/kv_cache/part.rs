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
    /// One vector that is key and value of all heads, for each `ratio` tokens
    /// (DeepSeek V4): `rope` of its `dim` elements carry positions.
    Shared {
        dim: u64,
        rope: u64,
        ratio: u64,
        reach: Reach,
    },
    /// The indexer's key for each `ratio` tokens.
    Indexer { dim: u64, ratio: u64 },
    /// What a compressor keeps of the tokens that it has not compressed yet:
    /// 32-bit elements, whatever the model's type.
    Compressor { tokens: u64, width: u64 },
    /// A state that does not grow.
    State(State),
}

/// What keeps a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateKind {
    /// A state-space model.
    StateSpace,
    /// Gated delta net or another linear attention.
    Linear,
    /// A short convolution and nothing else.
    Convolution,
}

/// The state of a recurrent layer: the last inputs of a short convolution, and
/// the recurrent state proper; it may have only one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: StateKind,
    /// Channels of the convolution that tensor parallelism splits: factors of each summand.
    pub(super) conv: Vec<Vec<u64>>,
    /// Groups by which the convolution has a summand `2 x groups x size`; groups
    /// are repeated where they do not divide among GPUs.
    pub(super) groups: Option<(u64, u64)>,
    /// Inputs kept: length of the kernel minus one.
    pub(super) conv_steps: u64,
    /// Heads of the state, or channels of a convolution alone, which tensor
    /// parallelism splits.
    pub(super) heads: u64,
    /// Name of the field that gives them.
    pub(super) heads_field: &'static str,
    /// Sizes of the state of one head; none if there is no recurrent state.
    pub(super) dims: Vec<u64>,
    /// Data type of the recurrent state, where the config names it.
    pub(super) dtype: Option<String>,
}
