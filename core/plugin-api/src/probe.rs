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

impl ControlRequest {
    /// Adds those of `headers` whose name it has none of.
    fn add_headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            let mut known = self.headers.iter();
            if !known.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                self.headers.push((name.clone(), value.clone()));
            }
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

impl Probes {
    /// The same with these headers on every request, where it has none of that
    /// name: what a server wants to see on a real request, such as a key, it may
    /// want to see on each.
    #[must_use]
    pub fn with_headers(mut self, headers: &[(String, String)]) -> Self {
        let info = self.info.iter_mut().map(|probe| &mut probe.request);
        let others = [&mut self.health, &mut self.models, &mut self.metrics];
        for request in others.into_iter().flatten().chain(info) {
            request.add_headers(headers);
        }
        self
    }
}

/// One question that is asked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfoProbe {
    /// Name under which the answer comes back to the plugin.
    pub name: String,
    /// The request.
    pub request: ControlRequest,
}

impl InfoProbe {
    /// `GET path` under `name`.
    #[must_use]
    pub fn get(name: &str, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            request: ControlRequest::get(path),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_with_every_probe_and_none_twice() {
        let headers = [("Authorization".to_owned(), "Bearer k".to_owned())];
        let mut own = ControlRequest::get("/v1/models");
        own.headers = vec![("authorization".to_owned(), "Bearer own".to_owned())];
        let probes = Probes {
            health: Some(ControlRequest::get("/health")),
            models: Some(own.clone()),
            metrics: Some(ControlRequest::get("/metrics")),
            info: vec![InfoProbe {
                name: "version".to_owned(),
                request: ControlRequest::get("/version"),
            }],
        };
        let probes = probes.with_headers(&headers);
        assert_eq!(probes.models, Some(own));
        for request in [probes.health, probes.metrics].into_iter().flatten() {
            assert_eq!(request.headers, headers);
        }
        assert_eq!(probes.info[0].request.headers, headers);
    }
}
