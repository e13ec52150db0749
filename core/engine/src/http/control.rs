//! The control plane: readiness, server info, metrics, cache reset. Outside
//! every measured time, by the route of the run's own connections.

use std::time::Duration;

use inferbench_plugin_api::ControlRequest;
use thiserror::Error;

use crate::http::{Connection, OpenError, Target};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A control request without a good answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No connection was made.
    #[error("`{method} {path}`: connecting to {server}: {error}")]
    NotOpened {
        method: String,
        path: String,
        server: String,
        error: OpenError,
    },
    /// No answer came.
    #[error("`{method} {path}`: {reason}")]
    NoAnswer {
        method: String,
        path: String,
        reason: String,
    },
    /// The answer is an error.
    #[error("`{method} {path}` answered {status}: {text}")]
    Status {
        method: String,
        path: String,
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
            Self::NotOpened { .. } | Self::NoAnswer { .. } => None,
        }
    }

    /// Whether the connection failed in a way that waiting cannot fix.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotOpened { error, .. } if error.is_final())
    }
}

/// An answer, good or not.
struct Answered {
    status: u16,
    /// Where a redirect points.
    to: Option<String>,
    body: Vec<u8>,
}

/// Asks one server.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    target: Target,
    limit: Duration,
}

impl ControlPlane {
    /// A control plane for `target`; each request may take `limit`.
    #[must_use]
    pub fn new(target: Target, limit: Duration) -> Self {
        Self { target, limit }
    }

    /// The body of a good answer. Redirects are not followed.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn ask(&self, request: &ControlRequest) -> Result<Vec<u8>, ControlError> {
        let answered = match self.answer(request).await {
            Ok(answered) => answered,
            Err(error) => return Err(self.no_answer(request, &error).await),
        };
        let Answered { status, to, body } = answered;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let text = match to {
            Some(to) => format!("redirects to {to}, which is not followed"),
            None => String::from_utf8_lossy(&body).replace(['\r', '\n'], " "),
        };
        Err(ControlError::Status {
            method: request.method.clone(),
            path: request.path.clone(),
            status,
            text: text.trim().chars().take(300).collect(),
        })
    }

    async fn answer(&self, request: &ControlRequest) -> reqwest::Result<Answered> {
        let client = self.target.control_client(self.limit)?;
        let method = request.method.parse().unwrap_or(reqwest::Method::GET);
        let mut builder = client.request(method, self.target.control_url(&request.path));
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder
                .header("Content-Type", "application/json")
                .body(body.clone());
        }
        let mut answer = builder.send().await?;
        let status = answer.status().as_u16();
        let to = answer.headers().get(reqwest::header::LOCATION);
        let to = to.and_then(|to| to.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while body.len() <= MAX_ANSWER_BYTES
            && let Some(chunk) = answer.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(MAX_ANSWER_BYTES);
        Ok(Answered { status, to, body })
    }

    /// Why there is no answer: where no connection was made, in the words that
    /// the run's own connections have for it.
    async fn no_answer(&self, request: &ControlRequest, error: &reqwest::Error) -> ControlError {
        let (method, path) = (request.method.clone(), request.path.clone());
        if error.is_connect()
            && let Err(error) = Connection::open(&self.target, self.limit).await
        {
            return ControlError::NotOpened {
                method,
                path,
                server: self.target.address_text(),
                error,
            };
        }
        let reason = if error.is_timeout() {
            format!("no answer within {} s", self.limit.as_secs_f64())
        } else {
            innermost(error)
        };
        ControlError::NoAnswer {
            method,
            path,
            reason,
        }
    }
}

/// The words of the innermost cause: `connection reset` and not `error sending
/// request`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
