//! The control plane: readiness, server info, metrics, cache reset. Outside
//! every measured time, and never through a proxy.

use std::time::Duration;

use inferbench_plugin_api::ControlRequest;
use thiserror::Error;

use crate::http::Target;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A control request without a good answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No answer came.
    #[error("`{method} {path}`: {reason}")]
    NoAnswer {
        /// Method.
        method: String,
        /// Path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The answer is an error.
    #[error("`{method} {path}` answered {status}: {text}")]
    Status {
        /// Method.
        method: String,
        /// Path.
        path: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        text: String,
    },
}

impl ControlError {
    /// HTTP status, if an answer came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::NoAnswer { .. } => None,
        }
    }
}

/// Asks one server.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    client: reqwest::Client,
    target: Target,
}

impl ControlPlane {
    /// A control plane for `target`; each request may take `limit`.
    #[must_use]
    pub fn new(target: Target, limit: Duration) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            // Servers close idle connections when they like: a fresh one each time.
            .pool_max_idle_per_host(0)
            .timeout(limit)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        Self { client, target }
    }

    /// The body of a good answer.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn ask(&self, request: &ControlRequest) -> Result<Vec<u8>, ControlError> {
        let no_answer = |error: &dyn std::error::Error| ControlError::NoAnswer {
            method: request.method.clone(),
            path: request.path.clone(),
            reason: innermost(error),
        };
        let method = request.method.parse().unwrap_or(reqwest::Method::GET);
        let mut builder = self.client.request(method, self.target.url(&request.path));
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder
                .header("Content-Type", "application/json")
                .body(body.clone());
        }
        let answer = builder.send().await.map_err(|error| no_answer(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| no_answer(&error))?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body).replace(['\r', '\n'], " ");
            return Err(ControlError::Status {
                method: request.method.clone(),
                path: request.path.clone(),
                status: status.as_u16(),
                text: text.trim().chars().take(300).collect(),
            });
        }
        Ok(body[..body.len().min(MAX_ANSWER_BYTES)].to_vec())
    }
}

/// The words of the innermost cause: `connection refused` and not `error
/// sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
