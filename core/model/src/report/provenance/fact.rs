//! One named fact of a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One named fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// The fact as text; absent if it is not known.
    pub text: Option<String>,
}

/// A fact with this name.
pub(super) fn fact(name: &str, text: Option<String>) -> Fact {
    Fact {
        name: name.to_owned(),
        text,
    }
}
