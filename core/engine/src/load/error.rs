//! Why a request cannot be made, and why a load cannot be offered.

use inferbench_model::plan::prompt::PromptError;
use inferbench_model::plan::schedule::ScheduleError;
use inferbench_plugin_api::PluginError;
use thiserror::Error;

use super::gate::NotStarted;

/// A request that cannot be made.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Its prompt cannot be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The backend wants another form of prompt than there is.
    #[error("the prompt has no {form}, and no tokenizer")]
    NoForm {
        /// The form that it wants.
        form: &'static str,
    },
    /// The plugin refuses it.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// It has no place for a header.
    #[error("it has no first line")]
    NoFirstLine,
    /// The plugin does not return.
    #[error(
        "the plugin made no request within {limit_s} s: its `encode` hangs; \
         inferbench plugins check shows where"
    )]
    Slow {
        /// How long the wait was, s.
        limit_s: f64,
    },
    /// Its conversation has no turn.
    #[error("the conversation has no turn")]
    NoTurn,
    /// The thread that made it is gone.
    #[error("the thread that makes requests is gone")]
    ThreadGone,
}

/// A load that could not be offered.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The schedule cannot be made.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A request could not be made.
    #[error("request {index} cannot be made")]
    Request {
        /// Its index in the cell.
        index: u64,
        #[source]
        source: RequestError,
    },
    /// The next turn of a conversation could not be made.
    #[error("the next turn of conversation {session} cannot be made")]
    Turn {
        /// Its number in the cell.
        session: u64,
        #[source]
        source: RequestError,
    },
    /// The machine refuses what the load needs.
    #[error("the load cannot start")]
    Io(#[from] std::io::Error),
    /// The plugin or the tokenizer does not return.
    #[error(
        "no request was ready within {limit_s} s: the plugin's `encode`, or the making of prompts, hangs; inferbench plugins check shows which"
    )]
    NotMade {
        /// How long the load waited, s.
        limit_s: f64,
    },
    /// There is nothing to send to.
    #[error("there is no server to send requests to")]
    NoServer,
    /// It did not begin with the others.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// The load thread is gone.
    #[error("the load thread ended without a result")]
    Lost,
}
