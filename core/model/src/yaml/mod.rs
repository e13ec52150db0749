//! Loads YAML text into typed values and names the line and column of
//! whatever is wrong with it.
//!
//! The text becomes a tree of [`Node`]s with line and column ([`parse`]), the tree
//! becomes a type ([`from_node`]). Others read the file and check what the values
//! mean; they report errors with [`Node::error_at`].
//!
//! Rules beyond YAML 1.2:
//! - One file holds one document. A key occurs once per map; `<<` merges.
//! - A plain scalar read as text stays as written (`1.10`, `007`, `no`);
//!   read as anything else it follows the core schema of YAML 1.2. A quoted
//!   scalar is always text.
//! - An empty value (also `null`, `~`) is `None` for an `Option` and an error
//!   for everything else, whether the type has a default or not.
//! - `${VAR}` and `${VAR:-default}` in values (not in keys) are expanded
//!   before typing; `$${` stands for `${`.
//! - Structs skip keys that begin with `x-`, maps keep them. A type that serde
//!   buffers (`flatten`, `tag = ".."`, `untagged`) counts as a map, and its
//!   errors point at the whole value.
//! - A custom error of a `Deserialize` impl is worded as the end of
//!   "`` `key` is VALUE, ``", e.g. `must be above 0`; if it begins with `is `
//!   or `has ` it follows the key directly.

mod access;
mod build;
mod de;
mod error;
mod expand;
mod failure;
mod open;
mod scalar;
mod tabs;
mod tree;

pub use build::{MAX_DEPTH, MAX_VALUES, parse};
pub use error::{Mark, PathStep, YamlError, dotted};
pub use tree::{KeyNode, Kind, Node};

use serde::de::DeserializeOwned;

/// Parses one document and reads it as `T`.
///
/// `file_name` is only shown in errors. `lookup_env` gives the value of an
/// environment variable, `None` if it is not set.
///
/// # Errors
/// Everything that [`parse`] and [`from_node`] refuse.
pub fn from_str<T: DeserializeOwned>(
    file_name: &str,
    text: &str,
    lookup_env: &dyn Fn(&str) -> Option<String>,
) -> Result<T, YamlError> {
    from_node(&parse(file_name, text, lookup_env)?)
}

/// Reads a tree, or a part of one, as `T`.
///
/// Paths in errors begin at `node`.
///
/// # Errors
/// A value of the wrong type or out of range, an empty value, an unknown or
/// missing key, an unknown variant, NaN, or a refusal by `T` itself.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, YamlError> {
    de::read(node)
}
