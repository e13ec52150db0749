//! Why a machine could not be calibrated.

use inferbench_model::yaml::YamlError;
use thiserror::Error;

use crate::http::control::ControlError;
use crate::load::LoadError;
use crate::prepare::NoLaunchPlan;
use crate::server::launch::LaunchError;

/// A calibration that could not be done.
#[derive(Debug, Error)]
pub enum CalibrateError {
    /// Its own config is refused: plugin and program do not fit together.
    #[error("the simulator cannot be prepared: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Config(Vec<YamlError>),
    /// The simulator has no launch plan.
    #[error("the simulator cannot be launched")]
    Plan(#[from] NoLaunchPlan),
    /// The simulator needs no launch: it is another plugin of that name.
    #[error("the simulator's plugin launches nothing")]
    NothingToLaunch,
    /// The simulator does not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// No folder or port for it is to be had.
    #[error("the simulator has no folder or no port")]
    FolderOrPort(#[source] std::io::Error),
    /// The simulator does not answer.
    #[error("the simulator is not ready: {0}")]
    NotReady(String),
    /// The load cannot be offered.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The simulator does not give what it did.
    #[error(transparent)]
    Truth(#[from] ControlError),
    /// What it gives cannot be understood.
    #[error("`GET /truth`, line {line}: {reason}")]
    TruthLine {
        /// Line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The thread of the load is gone.
    #[error("the load thread panicked")]
    Panicked,
    /// It was interrupted.
    #[error("the calibration was interrupted")]
    Interrupted,
}
