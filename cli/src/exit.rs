//! Error classes and the documented exit codes.

use std::path::PathBuf;
use std::process::ExitCode;

use inferbench_engine::calibrate::CalibrateError;
use inferbench_engine::derive::DeriveError;
use inferbench_engine::plugins::check::PluginCheckError;
use inferbench_engine::prepare::kv_forecast::KvModelError;
use inferbench_engine::run::RunError;
use inferbench_engine::run::resume::ResumeError;
use inferbench_engine::secrets::Secrets;
use inferbench_engine::server::supervise::SuperviseError;
use inferbench_engine::store::StoreError;
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::yaml::YamlError;
use thiserror::Error;

use crate::commands::{CompareCommandError, NewError};
use crate::render::RenderError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Done = 0,
    /// The command line or the config is wrong.
    Usage = 2,
    /// A backend could not be started, or a cell had no successful request.
    Incomplete = 3,
    /// A check does not hold.
    GateNotMet = 4,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl From<ExitState> for Code {
    fn from(state: ExitState) -> Self {
        match state {
            ExitState::Done => Self::Done,
            ExitState::Incomplete | ExitState::Running => Self::Incomplete,
            ExitState::Interrupted => Self::Interrupted,
        }
    }
}

/// A command that could not be done.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The config is wrong.
    #[error("the config has {} errors", .0.len())]
    Config(Vec<YamlError>),
    /// A file cannot be read.
    #[error("{file}: cannot be read")]
    Unreadable {
        file: String,
        #[source]
        source: std::io::Error,
    },
    /// A folder stands where a config is expected.
    #[error("{}: is a folder, must be a config file", folder.display())]
    ConfigIsFolder {
        folder: PathBuf,
        /// It is that of a run.
        is_run: bool,
    },
    /// A plugin that is asked for is not loaded.
    #[error("no loaded plugin is named `{name}`")]
    NoPlugin { name: String, known: String },
    /// The project of a plugin was not written.
    #[error(transparent)]
    New(#[from] NewError),
    /// Runs could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareCommandError),
    /// A KV cache could not be predicted.
    #[error(transparent)]
    KvCache(KvModelError),
    /// A plugin could not be checked.
    #[error(transparent)]
    PluginCheck(#[from] PluginCheckError),
    /// A file of the run folder is missing or wrong.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// A file cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run could not be done.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The calibration could not be done.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// There is no place for the calibration.
    #[error("the calibration has no place: neither XDG_DATA_HOME nor HOME is set")]
    NoDataFolder,
    /// The report could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A supervisor could not do its work.
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    /// A derived file could not be made in memory.
    #[error("a derived file cannot be made")]
    Rendered(#[source] std::io::Error),
    /// JSON could not be written.
    #[error("a result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// YAML could not be written.
    #[error("a config cannot be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
    /// The runtime could not be started.
    #[error("the runtime cannot start")]
    Runtime(#[source] std::io::Error),
}

impl CliError {
    /// The exit code that goes with it.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Calibrate(CalibrateError::Interrupted) => Code::Interrupted,
            Self::Calibrate(_) => Code::Incomplete,
            _ => Code::Usage,
        }
    }

    /// Writes it to standard error: `error:`, its causes, `hint:`.
    pub(crate) fn show(&self) {
        // What a server, a plugin or the config says may hold one.
        let secrets = Secrets::of_environment();
        if let Self::Config(errors) = self {
            for error in errors {
                eprintln!("error: {}", secrets.masked(&error.to_string()));
                if let Some(hint) = error.hint() {
                    eprintln!("hint: {hint}");
                }
            }
            return;
        }
        eprintln!("error: {}", secrets.masked(&self.to_string()));
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            eprintln!("  cause: {}", secrets.masked(&next.to_string()));
            cause = next.source();
        }
        if let Self::Run(RunError::Resume(ResumeError::Config { differences, .. })) = self {
            for difference in differences {
                eprintln!("  {difference}");
            }
        }
        if let Some(hint) = self.hint() {
            eprintln!("hint: {hint}");
        }
    }

    /// One thing to do, if there is one.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Run(RunError::Resume(ResumeError::Config { .. })) => {
                Some("resume with the config of the run, or start a new run".to_owned())
            }
            Self::New(error) => error.hint(),
            Self::Compare(error) => error.hint(),
            Self::Derive(error) => error.hint(),
            Self::ConfigIsFolder {
                folder,
                is_run: true,
            } => {
                let folder = folder.display();
                Some(format!(
                    "it holds a run: inferbench report {folder} shows it, inferbench run CONFIG --resume {folder} goes on with it"
                ))
            }
            Self::KvCache(KvModelError::NotHere { model }) => Some(format!(
                "name the model's folder, or fetch it first: hf download {model}"
            )),
            Self::NoPlugin { known, .. } => {
                Some(format!("loaded are {known}; see inferbench plugins"))
            }
            _ => None,
        }
    }
}
