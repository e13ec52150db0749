//! What a config, an option or a budget can be that no estimate follows from.

use thiserror::Error;

use super::size::gib;

/// Why there is no estimate. One line each.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum KvError {
    /// The file is no JSON: cut short, or something else.
    #[error("config.json is no JSON: line {line}, column {column}: {reason}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// The file holds something else than an object.
    #[error("config.json is {found}, must be an object")]
    NotObject {
        /// What it is.
        found: &'static str,
    },
    /// `model_type` is not among the known ones.
    #[error(
        "`model_type` is \"{model_type}\" (architecture {architecture}), which is not known here: what its layers cache cannot be told{lacks}"
    )]
    UnknownModel {
        /// The type.
        model_type: String,
        /// What `architectures` says.
        architecture: String,
        /// What the config lacks or has beyond plain attention, if that can be told.
        lacks: String,
    },
    /// No model type is named.
    #[error("`model_type` is missing, which every config.json needs")]
    NoModelType,
    /// A field that the model type needs is not there.
    #[error("`{field}` is missing, which `model_type` \"{model_type}\" needs")]
    Missing {
        /// The field.
        field: String,
        /// The type.
        model_type: String,
    },
    /// A field has a value that cannot be.
    #[error("`{field}` is {value}, must be {must}")]
    Wrong {
        /// The field.
        field: String,
        /// What it is.
        value: String,
        /// What it must be.
        must: String,
    },
    /// Two figures that must divide do not.
    #[error("`{field}` is {value}, which {by_name} {by} does not divide")]
    NotDivisible {
        /// What is divided.
        field: String,
        /// Its value.
        value: u64,
        /// What it is divided by.
        by_name: String,
        /// Its value.
        by: u64,
    },
    /// A data type of the cache that is not known, or does not go with the model.
    #[error("cache dtype \"{dtype}\" {fact}")]
    Dtype {
        /// The type.
        dtype: String,
        /// What is wrong with it.
        fact: String,
    },
    /// Nothing is left for the cache.
    #[error(
        "no room for a KV cache: {usable} of {memory} may be used per GPU, weights take {weights} and overhead {overhead}",
        usable = gib(*usable_bytes), memory = gib(*memory_bytes),
        weights = gib(*weight_bytes), overhead = gib(*overhead_bytes)
    )]
    NoRoom {
        /// Memory of one GPU.
        memory_bytes: u64,
        /// The part of it that may be used.
        usable_bytes: u64,
        /// Weights on one GPU.
        weight_bytes: u64,
        /// Overhead on one GPU.
        overhead_bytes: u64,
    },
    /// A file with weights says nothing that can be used.
    #[error("{file}: {fact}")]
    Weights {
        /// Which file.
        file: String,
        /// What is wrong with it.
        fact: String,
    },
    /// A text is no size.
    #[error("\"{text}\" is no size, must be a number with a unit such as 32GiB, 80GB or 512MiB")]
    Size {
        /// The text.
        text: String,
    },
    /// A figure is larger than can be counted.
    #[error("the figures of config.json are too large to be those of a model")]
    TooLarge,
}

/// Short for a result of this module.
pub type Bad<T> = Result<T, KvError>;
