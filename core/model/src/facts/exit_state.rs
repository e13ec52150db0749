//! How a run ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitState {
    /// It has not ended, or its end was not written.
    Running,
    /// Every cell was measured.
    Done,
    /// A backend could not be started, or a cell had no successful request.
    Incomplete,
    /// It was interrupted.
    Interrupted,
}
