//! Decides when a backend is ready: once it has answered a request like the run's
//! own. Starting it is for `launch`.

mod error;
mod host_name;
mod model_list;
mod next_step;
mod waiting;

use std::time::Duration;

use inferbench_model::config::ReadyCheck;
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::warning::WarningKind;
use inferbench_model::plan::prompt::PromptKey;
use inferbench_model::text::units::s_between;
use inferbench_plugin_api::RequestSpec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::control::{ControlError, ControlPlane};
use crate::http::{Connection, Target};
use crate::load::requests;
use crate::os::clock;
use crate::os::port;
use crate::os::processes;
use crate::plugins::backend::OpenBackend;
use crate::prompts::PromptMaker;
use crate::server::launch::Server;
use crate::server::probe::{Asked, Probe};
use crate::server::supervise::MARK;
pub(crate) use error::ReadyError;
use model_list::ModelList;
use next_step::Refusal;
use waiting::{Later, Waiting};

/// Time between two tries.
const POLL: Duration = Duration::from_millis(200);
/// Longest that the one real request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(120);
/// Share of the time that is left which a request may take, so that it is known
/// what came of it before the wait is over.
const SHARE_OF_THE_REST: f64 = 0.95;
/// Refusals that an unknown field may be the cause of.
const FIELD_REFUSED: [u16; 2] = [400, 422];

/// What readiness is judged by.
pub(crate) struct Readiness<'a> {
    pub(crate) backend: &'a OpenBackend,
    pub(crate) target: &'a Target,
    pub(crate) control: &'a ControlPlane,
    pub(crate) prompts: &'a PromptMaker,
    pub(crate) model: &'a str,
    /// Answers are forced to their length.
    pub(crate) force_output: bool,
    /// It runs already, and is not of this run.
    pub(crate) attached: bool,
    pub(crate) check: ReadyCheck,
    pub(crate) limit: Duration,
    /// Longest time without a connection, where that is less.
    pub(crate) connect_limit: Option<Duration>,
}

/// A backend that is ready.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Since when, ns.
    pub(crate) at_ns: u64,
    /// What is to be known of it.
    pub(crate) note: Option<WarningKind>,
}

impl Readiness<'_> {
    /// Waits until the backend is ready. `on_wait` gets the seconds so far and the
    /// last answer.
    pub(crate) async fn wait(
        &self,
        server: Option<&Server>,
        cancel: &CancellationToken,
        on_wait: &mut (dyn FnMut(f64, &str) + Send),
    ) -> Result<Ready, ReadyError> {
        let began_ns = clock::now_ns();
        let seconds = || s_between(began_ns, clock::now_ns());
        let mut waiting = Waiting::new(began_ns);
        if self.check == ReadyCheck::None {
            return Ok(Ready {
                at_ns: began_ns,
                note: None,
            });
        }
        if let Some(silent) = self.ask_for_address(cancel).await? {
            waiting.note(silent);
        }
        loop {
            if let Some(exit) = server.and_then(Server::exit) {
                return Err(ReadyError::Exited { exit });
            }
            // It says how the server ended first, if it can.
            if server.is_some_and(|server| server.died.is_cancelled()) {
                return Err(ReadyError::Unsupervised);
            }
            if cancel.is_cancelled() {
                return Err(ReadyError::Interrupted);
            }
            let left = self
                .limit
                .saturating_sub(Duration::from_secs_f64(seconds()));
            let tried = tokio::select! {
                tried = tokio::time::timeout(left, self.try_once(left, cancel)) => tried.ok(),
                () = cancel.cancelled() => return Err(ReadyError::Interrupted),
                () = died(server) => continue,
            };
            match tried {
                Some(Ok(ready)) => {
                    return server.map_or(Ok(()), answers_itself).map(|()| ready);
                }
                Some(Err(Try::Later(later))) => waiting.note(later),
                Some(Err(Try::Never(error))) => return Err(error),
                None => return Err(waiting.too_late(seconds())),
            }
            on_wait(seconds(), &waiting.last);
            if seconds() > self.limit.as_secs_f64() {
                return Err(waiting.too_late(seconds()));
            }
            if let Some(limit) = self.connect_limit {
                waiting.must_have_connected_within(limit)?;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = cancel.cancelled() => return Err(ReadyError::Interrupted),
            }
        }
    }

    /// `left` is the time until the wait is over.
    async fn try_once(&self, left: Duration, cancel: &CancellationToken) -> Result<Ready, Try> {
        let until = Instant::now() + left;
        if let Some(health) = &self.backend.probes.health {
            let asked = self.control.ask(health).await;
            asked.map_err(|error| self.no_health(error))?;
        }
        if self.check == ReadyCheck::Health {
            return match self.backend.probes.health {
                Some(_) => Ok(Ready {
                    at_ns: clock::now_ns(),
                    note: None,
                }),
                None => Err(Try::Never(ReadyError::NoHealthPath)),
            };
        }
        let list = self.model_list().await;
        let left = until.saturating_duration_since(Instant::now());
        let limit = REQUEST_LIMIT.min(left.mul_f64(SHARE_OF_THE_REST));
        match self.one_request(limit, cancel).await {
            Ok(at_ns) => Ok(Ready {
                at_ns,
                note: list.and_then(|list| list.note(self.model)),
            }),
            Err(error) => Err(match list.filter(|list| !list.names(self.model)) {
                Some(list) => error.of_another_model(&list, self.model, self.attached),
                None => error,
            }),
        }
    }

    /// The models that the server lists; `None` if it lists none.
    async fn model_list(&self) -> Option<ModelList> {
        let models = self.backend.probes.models.as_ref()?;
        ModelList::read(&self.control.ask(models).await.ok()?)
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

    /// One request as the run's own, over the same path; gives when its answer
    /// began, ns. Where it is refused, one without what forces its length shows
    /// whether that is why.
    async fn one_request(&self, limit: Duration, cancel: &CancellationToken) -> Result<u64, Try> {
        let Asked { record, line } = self.ask(self.force_output, limit, cancel).await?;
        if let Some(at_ns) = answered_ns(&record) {
            return Ok(at_ns);
        }
        let status = record.http_status;
        if self.force_output && status.is_some_and(|status| FIELD_REFUSED.contains(&status)) {
            let plain = self.ask(false, limit, cancel).await?;
            if answered_ns(&plain.record).is_some() {
                let or_option = match self.backend.options.has_ignore_eos {
                    true => ", or the backend's options.ignore_eos: false",
                    false => "",
                };
                return Err(Try::Never(ReadyError::RefusesForcedLength {
                    or_option,
                    reason: record.reason.unwrap_or_default(),
                    message: record.message.unwrap_or_default(),
                }));
            }
        }
        Err(self.refusal(record, &line))
    }

    /// A request without a good answer: whether waiting may help.
    fn refusal(&self, record: RequestRecord, line: &str) -> Try {
        let no_body = is(&record, FailureReason::NoBody);
        let status = record.http_status;
        let connected = record.sent_ns.is_some() || status.is_some();
        let (reason, message) = (record.reason, record.message);
        let mut refused = ReadyError::Refused {
            reason: reason.unwrap_or_default(),
            message: message.unwrap_or_default(),
            next: String::new(),
        };
        if !no_body && !status.is_some_and(is_final) {
            return Try::Later(Later {
                words: refused.to_string(),
                connected,
            });
        }
        if let (ReadyError::Refused { next, .. }, Some(status)) = (&mut refused, status) {
            *next = self.refused_with(status).of_request(line);
        }
        Try::Never(refused)
    }

    /// The health path was not answered well.
    fn no_health(&self, error: ControlError) -> Try {
        match error.status().filter(|status| is_final(*status)) {
            Some(status) => Try::Never(ReadyError::NoHealth {
                next: self.refused_with(status).of_health(),
                error: Box::new(error),
            }),
            None => Try::from(error),
        }
    }

    fn refused_with(&self, status: u16) -> Refusal<'_> {
        Refusal {
            backend: self.backend,
            attached: self.attached,
            status,
        }
    }

    async fn ask(
        &self,
        force_output: bool,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Asked, Try> {
        let key = PromptKey {
            block: u32::MAX,
            level: 0,
            index: 0,
        };
        let prompt = self.prompts.make(key);
        let prompt = prompt.map_err(|error| Try::Never(ReadyError::Prompt(error)))?;
        let content =
            requests::content(&prompt, self.backend.form).ok_or(Try::Never(ReadyError::NoForm))?;
        let spec = RequestSpec {
            output_tokens: prompt.output_tokens,
            force_output,
            ..RequestSpec::one_token(self.model, content)
        };
        let probe = Probe {
            backend: self.backend,
            target: self.target,
            spec: &spec,
            input_tokens: prompt.input_tokens,
            limit,
        };
        let mut slot = self.open().await?;
        let asked = probe.ask_on(&mut slot, cancel).await;
        asked.map_err(|error| Try::Never(ReadyError::Request(error)))
    }
}

/// When the answer of a ready server began: one that has come whole, or that has
/// not ended within its time but was under way.
fn answered_ns(record: &RequestRecord) -> Option<u64> {
    let under_way = is(record, FailureReason::Timeout) && record.first_output_ns.is_some();
    (record.is_ok() || under_way).then(|| record.first_output_ns.unwrap_or(record.end_ns))
}

fn is(record: &RequestRecord, reason: FailureReason) -> bool {
    record.reason.as_deref() == Some(&*reason.word())
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
    Later(Later),
    Never(ReadyError),
}

impl Try {
    /// The same, of a server that lists other models than the one that was asked.
    fn of_another_model(self, list: &ModelList, wanted: &str, attached: bool) -> Self {
        let (served, wanted) = (list.text(), wanted.to_owned());
        match self {
            Self::Never(ReadyError::Refused {
                reason,
                message,
                next,
            }) => {
                let next = match (may_refuse_a_name(&reason), attached) {
                    (true, true) => {
                        "; set model.id to the name that it serves, and model.tokenizer to that model's own"
                    }
                    (true, false) => {
                        "; give it the name by its command: the plugin's `{served_name}`"
                    }
                    (false, _) => &next,
                };
                Self::Never(ReadyError::OtherModel {
                    served,
                    wanted,
                    refusal: format!("{}{next}", error::said(&reason, &message)),
                })
            }
            Self::Never(error) => Self::Never(error),
            Self::Later(later) => Self::Later(Later {
                words: format!("lists {served}, not `{wanted}`: {}", later.words),
                ..later
            }),
        }
    }
}

impl From<ControlError> for Try {
    fn from(error: ControlError) -> Self {
        match error.status() {
            Some(status) if is_final(status) => Self::Never(ReadyError::Control(error)),
            None if error.is_final() => Self::Never(ReadyError::Control(error)),
            _ => Self::Later(Later {
                words: error.to_string(),
                connected: !matches!(error, ControlError::NotOpened { .. }),
            }),
        }
    }
}

/// The reasons with which servers refuse a model's name. Any other is about something
/// else: the list that a gateway gives may name no model at all.
fn may_refuse_a_name(reason: &str) -> bool {
    matches!(reason, "http_404" | "http_400")
}

/// A refusal that waiting will not mend: 4xx, but for "too early", "too many"
/// and a request timeout; a redirect, which is not followed; and a 2xx that is
/// none to a request (204).
fn is_final(status: u16) -> bool {
    let passes = matches!(status, 200 | 408 | 425 | 429);
    (200..500).contains(&status) && !passes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_waiting_cannot_mend_is_final() {
        for status in [204, 206, 301, 302, 307, 308, 400, 401, 404, 422] {
            assert!(is_final(status), "{status}");
        }
        for status in [101, 200, 408, 425, 429, 500, 502, 503] {
            assert!(!is_final(status), "{status}");
        }
    }
}
