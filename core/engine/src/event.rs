//! All that an onlooker may see of a run while it goes on.

use std::error::Error;
use std::path::PathBuf;

use inferbench_model::facts::crash_cause::KnownCause;
use inferbench_model::facts::key::{CellKey, Counts};
use inferbench_model::facts::warning::Warning;
use inferbench_model::plan::Stage;

use crate::secrets::Secrets;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The run has begun.
    Started {
        /// Its folder.
        folder: PathBuf,
        /// Starts of backends to come with their levels, in order.
        stages: Vec<Stage>,
        /// Something is simulated.
        simulated: bool,
    },
    /// What a backend needs is being fetched, before it is started.
    Fetching {
        /// Its label.
        backend: String,
        /// What is fetched.
        what: String,
        /// The command that fetches it, then each line that this says.
        line: String,
    },
    /// It is there.
    Fetched {
        /// The backend's label.
        backend: String,
        /// What was fetched.
        what: String,
        /// Seconds that it took; they are in no measured time.
        seconds: f64,
    },
    /// A backend is being started.
    Starting {
        /// Its label.
        backend: String,
        /// Block, from 0.
        block: u32,
        /// Command line, secrets masked.
        what: String,
    },
    /// A server that runs already, or is to be started by somebody else, is waited
    /// for.
    Attaching {
        /// The backend's label.
        backend: String,
        /// Block, from 0.
        block: u32,
        /// Its address, secrets masked.
        address: String,
    },
    /// It is not ready yet.
    Waiting {
        /// Its label.
        backend: String,
        /// Seconds so far.
        seconds: f64,
        /// Its last answer or the last line of its log.
        last: String,
    },
    /// It answered a real request.
    Ready {
        /// Its label.
        backend: String,
        /// Seconds that it took.
        seconds: f64,
    },
    /// It could not be started, or died. The run goes on with the others.
    BackendFailed {
        /// Its label.
        backend: String,
        /// Block, from 0.
        block: u32,
        /// What happened.
        cause: String,
        /// Why, if that is known, and what to do.
        known: Option<KnownCause>,
        /// Last lines of its log.
        log_tail: Vec<String>,
        /// It is not tried again in the repeats to come.
        given_up: bool,
    },
    /// A cell has begun.
    CellStarted {
        /// Which.
        key: CellKey,
        /// Measured requests to come, if they are counted.
        requests: Option<u64>,
        /// Length, if it is set, s.
        duration_s: Option<f64>,
    },
    /// How far the cell is.
    CellProgress {
        /// Measured requests that have ended.
        measured: u64,
        /// Requests sent, warm-up included.
        sent: u64,
        /// Failed.
        failed: u64,
        /// What goes on now.
        live: LiveFigures,
    },
    /// A cell has ended.
    CellEnded {
        /// Which.
        key: CellKey,
        /// Measured requests by outcome.
        counts: Counts,
        /// Output tokens per second over the whole cell, if known.
        overall_token_throughput: Option<f64>,
    },
    /// Something that a user should know.
    Warning(Warning),
}

/// A cell at this moment, for the eye alone; what is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LiveFigures {
    /// Requests that are sent and have not ended.
    pub in_flight: u64,
    /// Output tokens per second of the requests that ended in the last five
    /// seconds.
    pub output_tokens_per_s: Option<f64>,
    /// Median over the last hundred requests.
    pub ttft_ms_p50: Option<f64>,
    /// Requests that the server says it works on; absent unless it has said so
    /// lately, and since the cell's first request was sent.
    pub server_running: Option<f64>,
    /// Requests that wait at the server, as it says; absent like those.
    pub server_waiting: Option<f64>,
    /// Power of all GPUs that are sampled.
    pub gpu_power_watts: Option<f64>,
}

impl RunEvent {
    /// Masks what comes from outside.
    pub(crate) fn mask(&mut self, secrets: &Secrets) {
        match self {
            Self::Fetching { what, line, .. } => {
                secrets.mask(what);
                secrets.mask(line);
            }
            Self::Starting { what, .. } => secrets.mask(what),
            Self::Attaching { address, .. } => secrets.mask(address),
            Self::Waiting { last, .. } => secrets.mask(last),
            Self::BackendFailed {
                cause,
                known,
                log_tail,
                ..
            } => {
                secrets.mask(cause);
                let line = known.as_mut().and_then(|known| known.line.as_mut());
                line.into_iter()
                    .chain(log_tail)
                    .for_each(|line| secrets.mask(line));
            }
            Self::Warning(warning) => secrets.mask_warning(warning),
            _ => {}
        }
    }
}

/// An error and its causes in one line, as events and facts hold it.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        // Some errors of libraries repeat their cause.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{place}: cannot be read{}", if *repeats { ": it is gone" } else { "" })]
    struct Unreadable {
        place: &'static str,
        repeats: bool,
        source: Gone,
    }

    #[derive(Debug, Error)]
    #[error("it is gone")]
    struct Gone;

    #[test]
    fn each_cause_is_in_the_line_once() {
        for repeats in [false, true] {
            let error = Unreadable {
                place: "a.json",
                repeats,
                source: Gone,
            };
            assert_eq!(with_causes(&error), "a.json: cannot be read: it is gone");
        }
    }
}
