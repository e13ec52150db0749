//! The one error that a plugin gives its host.

use thiserror::Error;

/// What a plugin could not do, in words fit for the user: place, fact, value, limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct PluginError {
    /// The words.
    pub message: String,
    /// The plugin panicked: a fault of the plugin, not of what it was given.
    pub panicked: bool,
}

impl PluginError {
    /// An error with these words.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            panicked: false,
        }
    }
}

impl From<serde_json::Error> for PluginError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}
