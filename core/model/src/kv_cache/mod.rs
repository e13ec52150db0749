//! What a KV cache takes and holds, from a model's own `config.json`: bytes per
//! token and per sequence, each term of them in numbers, tokens and sequences
//! that fit into a budget, and the memory that a load needs.
//!
//! Files are read by the engine; this takes their bytes. A model type that is
//! not in `families.rs` is an error that names it, never a guess.

mod arithmetic;
mod capacity;
mod checkpoint;
mod compressed;
mod dtype;
mod error;
mod estimate;
mod explain;
mod families;
mod fields;
mod forecast;
mod gguf;
mod heads;
mod launch;
mod layer_lists;
mod layers;
mod mixed;
mod options;
mod part;
mod patterns;
mod rank;
mod size;
mod states;
mod terms;
mod uneven;
mod weights;

pub use arithmetic::{estimate, estimate_of_files};
pub use capacity::{Budget, Capacity};
pub use dtype::CacheDtype;
pub use error::{Bad, KvError};
pub use estimate::{DtypeSource, KvEstimate, KvTerm, TermKind};
pub use explain::Line;
pub use forecast::{Room, forecast};
pub use gguf::{GGUF_MAGIC, Gguf};
pub use launch::{Balanced, LaunchFacts};
pub use options::KvOptions;
pub use size::parse_size;
pub use weights::{DtypeBytes, Weights, header_length, weights_of_header, weights_of_index};
