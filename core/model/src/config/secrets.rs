//! What a config adds to the secrets that are masked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secrets that no name of a key gives away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// Names of variables, headers, options and flags whose values are secrets, in capitals
    /// or not.
    #[serde(default)]
    pub names: Vec<String>,
    /// Secrets themselves, 4 characters or more each: best as `${VAR}`.
    #[serde(default)]
    pub values: Vec<String>,
}

impl SecretsConfig {
    /// Fewest characters of a value: a shorter one would be found in other words.
    pub const MIN_CHARS: usize = 4;

    /// Whether it adds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.values.is_empty()
    }
}
