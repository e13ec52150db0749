//! Why there can be no estimate.

use thiserror::Error;

use crate::text::number;

/// Why there is no estimate. One line each.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum KvError {
    /// The file is not JSON: cut short, or something else.
    #[error("config.json is not JSON: line {line}, column {column}: {reason}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// The file holds something else than an object.
    #[error("config.json is {found}, must be an object")]
    NotObject { found: &'static str },
    /// `model_type` is not among the known ones.
    #[error(
        "`model_type` \"{model_type}\" (architecture {architecture}) is an unsupported model type: its KV cache cannot be computed{lacks}"
    )]
    UnknownModel {
        model_type: String,
        /// What `architectures` says.
        architecture: String,
        /// Which of plain attention's fields the config lacks, if any.
        lacks: String,
    },
    /// No model type is named.
    #[error("`model_type` is missing, which every config.json needs")]
    NoModelType,
    /// A field that the model type needs is not there.
    #[error("`{field}` is missing, which `model_type` \"{model_type}\" needs")]
    Missing { field: String, model_type: String },
    /// A field has a value that cannot be.
    #[error("`{field}` is {value}, must be {must}")]
    Wrong {
        field: String,
        value: String,
        must: String,
    },
    /// Two figures that must divide do not.
    #[error("`{field}` is {value}, must be a multiple of {by_name}, {by}")]
    NotDivisible {
        /// What is divided.
        field: String,
        value: u64,
        /// What it is divided by.
        by_name: String,
        by: u64,
    },
    /// A data type of the cache that is not known, or does not go with the model.
    #[error("cache dtype \"{dtype}\" {fact}")]
    Dtype { dtype: String, fact: String },
    /// Nothing is left for the cache.
    #[error(
        "no room for a KV cache: {usable} of {memory} can be used per GPU, weights take {weights} and overhead takes {overhead}",
        usable = number::bytes(*usable_bytes), memory = number::bytes(*memory_bytes),
        weights = number::bytes(*weight_bytes), overhead = number::bytes(*overhead_bytes)
    )]
    NoRoom {
        memory_bytes: u64,
        /// The part of it that may be used.
        usable_bytes: u64,
        weight_bytes: u64,
        overhead_bytes: u64,
    },
    /// A file with weights cannot be used.
    #[error("{file}: {fact}")]
    Weights { file: String, fact: String },
    /// A text is not a size.
    #[error("\"{text}\" is not a size, must be a number with a unit such as 32GiB, 80GB or 512MiB")]
    Size { text: String },
    /// A figure is larger than can be counted.
    #[error("the numbers in config.json are too large for any model")]
    TooLarge,
}

/// Short for a result of this module.
pub type Bad<T> = Result<T, KvError>;
