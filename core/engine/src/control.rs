//! The control plane: readiness, server info, metrics, cache reset. Outside
//! every measured time, over connections like the run's own.

use std::pin::pin;
use std::time::Duration;

use inferbench_plugin_api::{ControlRequest, Framing, HttpRequest};
use thiserror::Error;

use crate::http::{Connection, OpenError, ResponseReader, Target};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A control request without a good answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No connection came about.
    #[error("`{method} {path}`: connecting to {server}: {error}")]
    NotOpened {
        /// Method.
        method: String,
        /// Path.
        path: String,
        /// Server.
        server: String,
        /// Why.
        error: OpenError,
    },
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
            Self::NotOpened { .. } | Self::NoAnswer { .. } => None,
        }
    }

    /// Whether the connection failed in a way that waiting will not mend.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotOpened { error, .. } if error.is_final())
    }
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

    /// The body of a good answer. Servers close idle connections when they
    /// like: each request has a fresh one. Redirects are not followed.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn ask(&self, request: &ControlRequest) -> Result<Vec<u8>, ControlError> {
        let (method, path) = (request.method.clone(), request.path.clone());
        let opened = Connection::open(&self.target, self.limit).await;
        let connection = opened.map_err(|error| ControlError::NotOpened {
            method: method.clone(),
            path: path.clone(),
            server: self.target.address_text(),
            error,
        })?;
        let bytes = self.target.request_bytes(&wire(request));
        match self.answer(connection, bytes).await {
            Ok((200..=299, body)) => Ok(body),
            Ok((status, body)) => {
                let text = String::from_utf8_lossy(&body).replace(['\r', '\n'], " ");
                Err(ControlError::Status {
                    method,
                    path,
                    status,
                    text: text.trim().chars().take(300).collect(),
                })
            }
            Err(reason) => Err(ControlError::NoAnswer {
                method,
                path,
                reason,
            }),
        }
    }

    /// Status and body, or why there is none.
    async fn answer(
        &self,
        mut connection: Connection,
        bytes: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let mut timer = pin!(tokio::time::sleep(self.limit));
        // A server that closes early may have answered before.
        drop(connection.send(bytes));
        let (mut reader, mut body) = (ResponseReader::default(), Vec::new());
        while !reader.is_complete() && body.len() <= MAX_ANSWER_BYTES {
            let read = connection.read(timer.as_mut()).await;
            let Some((bytes, _)) = read.map_err(|error| error.to_string())? else {
                return Err(format!("no answer within {} s", self.limit.as_secs_f64()));
            };
            if bytes.is_empty() {
                if !reader.close() {
                    return Err("the server closed the connection without an answer".to_owned());
                }
                break;
            }
            reader
                .push(&bytes, &mut |data| body.extend_from_slice(data))
                .map_err(|error| error.to_string())?;
        }
        body.truncate(MAX_ANSWER_BYTES);
        Ok((reader.head().map_or(0, |head| head.status), body))
    }
}

fn wire(request: &ControlRequest) -> HttpRequest {
    let mut headers = request.headers.clone();
    headers.push(("Connection".to_owned(), "close".to_owned()));
    if request.body.is_some() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    HttpRequest {
        method: request.method.clone(),
        path: request.path.clone(),
        headers,
        body: request.body.clone().unwrap_or_default().into_bytes(),
        framing: Framing::Body,
    }
}
