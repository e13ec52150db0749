//! What a KV cache takes and holds, from a model's own `config.json`: bytes per
//! token and per sequence, each term of them in numbers, tokens and sequences
//! that fit into a budget, and the memory that a load needs.
//!
//! Files are read by the engine; this takes their bytes.

mod estimate;

pub use estimate::{KvEstimate, KvTerm, TermKind};
