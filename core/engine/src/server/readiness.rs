//! Decides when a backend is ready: once it has answered a request like the run's
//! own. Starting it is for `launch`.

use std::time::Duration;

use inferbench_model::config::ReadyCheck;
use inferbench_model::plan::prompt::{PromptError, PromptKey};
use inferbench_plugin_api::{RequestSpec, json};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::http::control::{ControlError, ControlPlane};
use crate::http::{Connection, OpenError, Target};
use crate::load::RequestError;
use crate::load::requests::{self, PromptMaker};
use crate::os::clock;
use crate::os::port;
use crate::os::processes;
use crate::plugins::backend::OpenBackend;
use crate::server::launch::{Exit, Server};
use crate::server::probe::Probe;
use crate::server::supervise::MARK;

/// Time between two tries.
const POLL: Duration = Duration::from_millis(200);
/// Longest that the one real request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);

/// A backend that is not ready.
#[derive(Debug, Error)]
pub(crate) enum ReadyError {
    /// Its process has ended.
    #[error("ended with {exit} before it was ready")]
    Exited {
        /// How.
        exit: Exit,
    },
    /// Its time is over.
    #[error("not ready after {seconds:.0} s: {last}")]
    TooLate {
        /// Seconds waited.
        seconds: f64,
        /// Its last answer.
        last: String,
    },
    /// It is asked for a path that its plugin does not name.
    #[error("has no health path: set ready_check to request")]
    NoHealthPath,
    /// No connection to it can ever be had.
    #[error("connecting to {address}")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// It refuses a control request.
    #[error(transparent)]
    Control(ControlError),
    /// No prompt can be made for it.
    #[error(transparent)]
    Prompt(PromptError),
    /// There is no prompt as it wants it.
    #[error("no prompt in the form it wants")]
    NoForm,
    /// Its plugin makes no request.
    #[error(transparent)]
    Request(RequestError),
    /// It refuses a request as the run's own.
    #[error("a one-token request failed: {reason}: {message}")]
    Refused {
        /// Reason of the failure.
        reason: String,
        /// What it said.
        message: String,
    },
    /// Nobody has its name.
    #[error("cannot resolve host `{host}`")]
    NoSuchHost {
        /// The name.
        host: String,
    },
    /// It serves something else.
    #[error("serves {served}, not `{wanted}`")]
    OtherModel {
        /// What it serves.
        served: String,
        /// What is wanted.
        wanted: String,
    },
    /// What answers is not what was started.
    #[error("port {port} is answered by process {pid} ({name}), which this run did not start")]
    Stranger {
        /// The port.
        port: u16,
        /// Who answers.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// The run was interrupted.
    #[error("interrupted while it was starting")]
    Interrupted,
}

/// What readiness is judged by.
pub(crate) struct Readiness<'a> {
    pub(crate) backend: &'a OpenBackend,
    pub(crate) target: &'a Target,
    pub(crate) control: &'a ControlPlane,
    pub(crate) prompts: &'a PromptMaker,
    pub(crate) model: &'a str,
    pub(crate) check: ReadyCheck,
    pub(crate) limit: Duration,
}

impl Readiness<'_> {
    /// Waits until the backend is ready and gives the seconds that it took.
    /// `on_wait` gets the seconds so far and the last answer.
    pub(crate) async fn wait(
        &self,
        server: Option<&Server>,
        cancel: &CancellationToken,
        on_wait: &mut (dyn FnMut(f64, &str) + Send),
    ) -> Result<f64, ReadyError> {
        let began_ns = clock::now_ns();
        let seconds = || inferbench_model::text::units::s_between(began_ns, clock::now_ns());
        let mut last = "it has not answered".to_owned();
        if self.check == ReadyCheck::None {
            return Ok(0.0);
        }
        if let Some(host) = self.target.unknown_host().await {
            let host = host.to_owned();
            return Err(ReadyError::NoSuchHost { host });
        }
        loop {
            if let Some(exit) = server.and_then(Server::exit) {
                return Err(ReadyError::Exited { exit });
            }
            if cancel.is_cancelled() {
                return Err(ReadyError::Interrupted);
            }
            let left = self
                .limit
                .saturating_sub(Duration::from_secs_f64(seconds()));
            let tried = tokio::select! {
                tried = tokio::time::timeout(left, self.try_once(cancel)) => tried.ok(),
                () = cancel.cancelled() => return Err(ReadyError::Interrupted),
                () = died(server) => continue,
            };
            match tried {
                Some(Ok(())) => {
                    return server.map_or(Ok(()), answers_itself).map(|()| seconds());
                }
                Some(Err(Try::Later(words))) => last = words,
                Some(Err(Try::Never(error))) => return Err(error),
                None => {
                    return Err(ReadyError::TooLate {
                        seconds: seconds(),
                        last,
                    });
                }
            }
            on_wait(seconds(), &last);
            if seconds() > self.limit.as_secs_f64() {
                return Err(ReadyError::TooLate {
                    seconds: seconds(),
                    last,
                });
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = cancel.cancelled() => return Err(ReadyError::Interrupted),
            }
        }
    }

    async fn try_once(&self, cancel: &CancellationToken) -> Result<(), Try> {
        if let Some(health) = &self.backend.probes.health {
            self.control.ask(health).await.map_err(Try::from)?;
        }
        if self.check == ReadyCheck::Health {
            return match self.backend.probes.health {
                Some(_) => Ok(()),
                None => Err(Try::Never(ReadyError::NoHealthPath)),
            };
        }
        self.check_model().await?;
        self.one_request(cancel).await
    }

    /// The served models must hold the wanted one; a server that lists none is
    /// taken at its word.
    async fn check_model(&self) -> Result<(), Try> {
        let Some(models) = &self.backend.probes.models else {
            return Ok(());
        };
        let Ok(body) = self.control.ask(models).await else {
            return Ok(());
        };
        let json: serde_json::Value = json::read(&body).unwrap_or_default();
        let listed: Vec<&str> = json
            .get("data")
            .and_then(|data| data.as_array())
            .into_iter()
            .flatten()
            .filter_map(|model| model.get("id")?.as_str())
            .collect();
        if listed.is_empty() || listed.contains(&self.model) {
            return Ok(());
        }
        Err(Try::Never(ReadyError::OtherModel {
            served: listed.join(", "),
            wanted: self.model.to_owned(),
        }))
    }

    /// A connection, if one can be had now; an error if none ever can.
    async fn open(&self) -> Result<Option<Connection>, Try> {
        match Connection::open(self.target, REQUEST_LIMIT).await {
            Err(source) if source.is_final() => Err(Try::Never(ReadyError::Unreachable {
                address: self.target.address_text(),
                source,
            })),
            // The request tries again, and gives why it cannot be sent.
            opened => Ok(opened.ok()),
        }
    }

    /// One real request of one token, over the same path as the run's own.
    async fn one_request(&self, cancel: &CancellationToken) -> Result<(), Try> {
        let key = PromptKey {
            block: u32::MAX,
            level: 0,
            index: 0,
        };
        let prompt = self.prompts.make(key);
        let prompt = prompt.map_err(|error| Try::Never(ReadyError::Prompt(error)))?;
        let content =
            requests::content(&prompt, self.backend.form).ok_or(Try::Never(ReadyError::NoForm))?;
        let spec = RequestSpec::one_token(self.model, content);
        let probe = Probe {
            backend: self.backend,
            target: self.target,
            spec: &spec,
            input_tokens: prompt.input_tokens,
            limit: REQUEST_LIMIT,
        };
        let mut slot = self.open().await?;
        let record = probe.ask(&mut slot, cancel).await;
        let record = record.map_err(|error| Try::Never(ReadyError::Request(error)))?;
        if record.is_ok() {
            return Ok(());
        }
        let refused = ReadyError::Refused {
            reason: record.reason.unwrap_or_default(),
            message: record.message.unwrap_or_default(),
        };
        match record.http_status {
            Some(status) if is_final(status) => Err(Try::Never(refused)),
            _ => Err(Try::Later(refused.to_string())),
        }
    }
}

/// Whether the server's own processes listen on its port.
fn answers_itself(server: &Server) -> Result<(), ReadyError> {
    let port = server.port();
    let mark = |pid| processes::variable(pid, MARK);
    match port::stranger_on(port, server.supervisor_pid()) {
        None => Ok(()),
        // A container's processes are below its daemon, but carry the mark.
        Some(found) if mark(found.pid).is_some_and(|m| Some(m) == mark(server.pid())) => Ok(()),
        Some(port::Stranger { pid, name }) => Err(ReadyError::Stranger { port, pid, name }),
    }
}

/// Waits for the end of the server's process, if there is one.
async fn died(server: Option<&Server>) {
    match server {
        Some(server) => server.died.cancelled().await,
        None => std::future::pending().await,
    }
}

enum Try {
    Later(String),
    Never(ReadyError),
}

impl From<ControlError> for Try {
    fn from(error: ControlError) -> Self {
        match error.status() {
            Some(status) if is_final(status) => Self::Never(ReadyError::Control(error)),
            None if error.is_final() => Self::Never(ReadyError::Control(error)),
            _ => Self::Later(error.to_string()),
        }
    }
}

/// A refusal that waiting will not mend: 4xx, but for "too early", "too many"
/// and a request timeout.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 425 | 429)
}
