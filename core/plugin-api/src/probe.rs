//! Requests of the control plane: readiness, metrics, server info, reset.

use serde::{Deserialize, Serialize};

/// A request outside the measurement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlRequest {
    /// Method.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body, if any; sent as JSON.
    pub body: Option<String>,
}

impl ControlRequest {
    /// A `GET`.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// A `POST` without body.
    #[must_use]
    pub fn post(path: &str) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }
}

/// Where a backend can be asked about itself; all of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probes {
    /// Answers 200 when the server is up. Not asked while a cell runs.
    pub health: Option<ControlRequest>,
    /// Names the served models, in OpenAI's form.
    pub models: Option<ControlRequest>,
    /// Metrics, asked again and again while a cell runs.
    pub metrics: Option<ControlRequest>,
    /// Asked once, when the server is ready.
    pub info: Vec<InfoProbe>,
}

/// One question that is asked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfoProbe {
    /// Name under which the answer comes back to the plugin.
    pub name: String,
    /// The request.
    pub request: ControlRequest,
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// The answer to `Probes::metrics`.
    Metrics,
    /// The answer to the info probe of that name.
    Info(String),
    /// One line of the server's log that matched `LaunchPlan::log_patterns`.
    LogLine,
}
