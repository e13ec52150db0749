//! What a plugin reports about itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// JSON Schema of an options type.
#[must_use]
pub fn options_schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// A plugin's own description of one backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name, as a config's `plugin:` has it.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// One line on what it measures.
    pub summary: String,
    /// Whatever it measures is simulated, and labelled so everywhere.
    #[serde(default)]
    pub simulated: bool,
    /// What it can do.
    pub capabilities: Capabilities,
    /// JSON Schema of its options: units, defaults and meaning in the descriptions.
    pub options_schema: Value,
    /// Token ids that any prompt may use, where the backend has no model folder
    /// to read them from; absent for real models.
    #[serde(default)]
    pub token_ids: Option<IdSpan>,
}

impl Description {
    /// A description of a backend with options of the type `T`, which can do
    /// nothing yet: set `capabilities`.
    #[must_use]
    pub fn with_options<T: JsonSchema>(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            options_schema: options_schema::<T>(),
            ..Self::default()
        }
    }
}

/// Token ids from `lo` to below `hi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdSpan {
    /// First id.
    pub lo: u32,
    /// One past the last id.
    pub hi: u32,
}

/// What a backend can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Endpoints it speaks, e.g. `completions`, `chat`.
    pub endpoints: Vec<String>,
    /// It can start a server.
    pub can_launch: bool,
    /// It can measure a server that runs already.
    pub can_attach: bool,
    /// It can drop its prefix cache between cells.
    pub can_reset_prefix_cache: bool,
    /// It exposes metrics while it runs.
    pub exposes_metrics: bool,
    /// It takes prompts as token ids.
    pub accepts_token_ids: bool,
    /// It can force the length of an answer.
    pub can_force_output_length: bool,
    /// It generates inside InferBench's own process.
    pub in_process: bool,
    /// It works on one request at a time: more in flight only wait longer.
    pub one_request_at_a_time: bool,
}

impl Capabilities {
    /// A server with these endpoints that can be launched and attached to.
    #[must_use]
    pub fn server(endpoints: &[&str]) -> Self {
        Self {
            endpoints: endpoints.iter().map(|name| (*name).to_owned()).collect(),
            can_launch: true,
            can_attach: true,
            ..Self::default()
        }
    }

    /// The set ones as short words, for a table.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let flags = [
            (self.can_launch, "launch"),
            (self.can_attach, "attach"),
            (self.can_reset_prefix_cache, "reset"),
            (self.exposes_metrics, "metrics"),
            (self.accepts_token_ids, "token-ids"),
            (self.can_force_output_length, "force-length"),
            (self.in_process, "in-process"),
            (self.one_request_at_a_time, "one-at-a-time"),
        ];
        let set = flags.iter().filter(|(on, _)| *on);
        let words = set.map(|(_, word)| (*word).to_owned());
        self.endpoints.iter().cloned().chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_built_before_a_capability_was_known_has_not_got_it() {
        let old = r#"{"endpoints": ["chat"], "can_launch": true}"#;
        let read: Capabilities = serde_json::from_str(old).unwrap();
        assert!(read.can_launch && !read.one_request_at_a_time);
        assert_eq!(read.words(), ["chat", "launch"]);
    }
}
