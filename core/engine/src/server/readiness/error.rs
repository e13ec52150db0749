//! Why a backend is not ready.

use inferbench_model::plan::prompt::PromptError;
use thiserror::Error;

use crate::http::OpenError;
use crate::http::control::ControlError;
use crate::load::RequestError;
use crate::server::launch::Exit;

/// A reason and its message, the reason only where the message does not say it, and
/// without the full stop that a server may end with.
pub(super) fn said(reason: &str, message: &str) -> String {
    let message = message.trim_end().trim_end_matches('.');
    let in_words = reason.replace('_', " ");
    match message.to_lowercase().contains(&in_words) && !message.is_empty() {
        true => message.to_owned(),
        false => format!("{reason}: {message}"),
    }
}

/// A backend that is not ready.
#[derive(Debug, Error)]
pub(crate) enum ReadyError {
    /// Its process has ended.
    #[error("ended with {exit} before it was ready")]
    Exited {
        /// How.
        exit: Exit,
    },
    /// Whoever watches over its process is gone, and what became of it is not known.
    #[error("its supervisor was killed before it was ready")]
    Unsupervised,
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
    #[error("a request failed: {}{next}", said(reason, message))]
    Refused {
        /// Reason of the failure.
        reason: String,
        /// What it said.
        message: String,
        /// What to do: empty, or `; set ...`.
        next: String,
    },
    /// It refuses the request for its health.
    #[error("{error}{next}")]
    NoHealth {
        /// The request and its answer.
        error: Box<ControlError>,
        /// What to do: empty, or `; set ...`.
        next: String,
    },
    /// It refuses a request as the run's own, and answers one whose length is not
    /// forced.
    #[error(
        "refuses requests that force the answer's length (`ignore_eos`, `min_tokens`): {}; set workload.force_output: false{or_option}",
        said(reason, message)
    )]
    RefusesForcedLength {
        /// Another way to leave that out, if there is one.
        or_option: &'static str,
        /// Reason of the failure.
        reason: String,
        /// What it said.
        message: String,
    },
    /// It has accepted no connection.
    #[error(
        "nothing took a connection for {seconds:.0} s: {last}; to wait longer, set `ready_timeout`"
    )]
    NotThere {
        /// Seconds without one.
        seconds: f64,
        /// Why there was none.
        last: String,
    },
    /// Nobody has its name.
    #[error("cannot resolve host `{host}`")]
    NoSuchHost {
        /// The name.
        host: String,
    },
    /// It lists other models, and refuses a request to the one that is wanted.
    #[error("lists {served}, not `{wanted}`, and refuses a request to that name: {refusal}")]
    OtherModel {
        /// What it lists.
        served: String,
        /// What is wanted.
        wanted: String,
        /// Its refusal, and what to do.
        refusal: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_message_says_is_not_said_before_it() {
        let refused = "connecting to 127.0.0.1:1: Connection refused (os error 111)";
        assert_eq!(said("connection_refused", refused), refused);
        assert_eq!(
            said("http_404", "No such model."),
            "http_404: No such model"
        );
    }
}
