//! Error classes and the documented exit codes.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use inferbench_engine::calibrate::CalibrateError;
use inferbench_engine::derive::{CompareError, DeriveError};
use inferbench_engine::plugins::check::PluginCheckError;
use inferbench_engine::prepare::kv_forecast::KvModelError;
use inferbench_engine::run::RunError;
use inferbench_engine::run::resume::ResumeError;
use inferbench_engine::secrets::Secrets;
use inferbench_engine::server::supervise::SuperviseError;
use inferbench_engine::store::StoreError;
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::report::runs::RunsError;
use inferbench_model::yaml::YamlError;
use thiserror::Error;

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
        source: io::Error,
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
    KvCache(#[from] KvModelError),
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
    Rendered(#[source] io::Error),
    /// JSON could not be written.
    #[error("a result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// YAML could not be written.
    #[error("a config cannot be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
    /// The runtime could not be started.
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
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

/// A comparison that could not be done.
#[derive(Debug, Error)]
pub(crate) enum CompareCommandError {
    /// The runs cannot be set side by side.
    #[error(transparent)]
    Runs(#[from] CompareError),
    /// Two runs have one name.
    #[error("two runs are called `{0}`, each needs a name of its own")]
    SameName(String),
    /// The baseline is none of the runs.
    #[error("--baseline: `{name}` is none of the runs {}", .known.join(", "))]
    NoBaseline { name: String, known: Vec<String> },
    /// The comparison would be written over a run's own report.
    #[error("--output: {0} is a run folder, whose own report would be written over")]
    IntoRun(String),
}

impl CompareCommandError {
    /// One thing to do, if there is one.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Runs(CompareError::Derive(error)) => return error.hint(),
            Self::Runs(CompareError::Runs(RunsError::OtherWork(_))) => {
                "--force compares them all the same, and says so on top"
            }
            Self::SameName(_) => "write NAME=FOLDER, each with a name of its own",
            Self::IntoRun(_) => "name a folder of its own for the comparison",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// A project that was not written.
#[derive(Debug, Error)]
pub(crate) enum NewError {
    /// The name is none.
    #[error("plugin name `{name}` {fact}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        fact: &'static str,
    },
    /// The folder is there already.
    #[error("{} exists already: nothing was written", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The path does not lead to the plugin API.
    #[error("--api-path {}: {fact}", path.display())]
    Api {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        fact: String,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl NewError {
    /// One thing to do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Name { .. } => Some("for example: inferbench plugins new my-server".to_owned()),
            Self::Exists { .. } => Some("give another folder with --path".to_owned()),
            Self::Api { .. } => Some(
                "give the folder core/plugin-api of InferBench's source, which holds inferbench-plugin-api"
                    .to_owned(),
            ),
            Self::Write { .. } => None,
        }
    }
}
