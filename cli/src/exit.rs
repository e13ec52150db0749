//! The errors of commands, their hints, and the documented exit codes.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use inferbench_engine::calibrate::CalibrateError;
use inferbench_engine::capture::CaptureError;
use inferbench_engine::derive::{CompareError, DeriveError};
use inferbench_engine::load::gate::NotStarted;
use inferbench_engine::merge::MergeError;
use inferbench_engine::os::limits::TooLow;
use inferbench_engine::plugins::check::PluginCheckError;
use inferbench_engine::prepare::kv_forecast::KvModelError;
use inferbench_engine::prompts::PromptFileError;
use inferbench_engine::run::RunError;
use inferbench_engine::run::resume::ResumeError;
use inferbench_engine::secrets::Secrets;
use inferbench_engine::server::supervise::SuperviseError;
use inferbench_engine::store::StoreError;
use inferbench_engine::watcher::{CutOff, WatchError};
use inferbench_model::facts::manifest::ExitState;
use inferbench_model::plan::prompt::PromptError;
use inferbench_model::report::runs::RunsError;
use inferbench_model::text::number::counted;
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
    /// `verify`, `plugins check` or the gate of `compare` did not pass.
    GateNotMet = 4,
    /// The gate of `compare` could not decide, and was asked to.
    Undecided = 5,
    /// A shard did not begin with the others: nothing was sent.
    NotStarted = 75,
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

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    #[error("the config has {}", counted(.0.len() as u64, "error"))]
    Config(Vec<YamlError>),
    #[error("{file}: cannot be read")]
    Unreadable {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file}: cannot be written")]
    Unwritable {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{program}: cannot be run: is it on the PATH?")]
    Scheduler {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Usage(String),
    #[error("the argument {0:?} is not UTF-8, as paths and names must be")]
    NotText(OsString),
    #[error(transparent)]
    TooLow(#[from] TooLow),
    #[error(transparent)]
    Log(PromptFileError),
    #[error("request {index}: its prompt cannot be made")]
    Prompt {
        index: u64,
        #[source]
        error: PromptError,
    },
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    #[error("{}: is a folder, not a config file", folder.display())]
    ConfigIsFolder {
        folder: PathBuf,
        /// It has a `run.json`.
        is_run: bool,
    },
    #[error("no loaded plugin is named `{name}`")]
    NoPlugin { name: String, known: String },
    #[error(transparent)]
    NewPlugin(#[from] NewPluginError),
    #[error(transparent)]
    Compare(#[from] CompareCommandError),
    #[error(transparent)]
    KvCache(#[from] KvModelError),
    #[error(transparent)]
    PluginCheck(#[from] PluginCheckError),
    #[error(transparent)]
    Derive(#[from] DeriveError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    #[error("no folder for the calibration: neither XDG_DATA_HOME nor HOME is set")]
    NoDataFolder,
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error("a derived file cannot be rendered")]
    Rendered(#[source] io::Error),
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the config cannot be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
    #[error("the async runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    CutOff(Box<CutOff>),
    #[error("the process that waits for this one is gone")]
    NoWatcher(#[source] io::Error),
}

impl CliError {
    /// The exit code for it.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Calibrate(CalibrateError::Interrupted) => Code::Interrupted,
            Self::Calibrate(_) | Self::CutOff(_) => Code::Incomplete,
            Self::Merge(MergeError::Lost { .. } | MergeError::Nothing) => Code::Incomplete,
            Self::Run(RunError::NotStarted(NotStarted::Stopped)) => Code::Interrupted,
            Self::Run(RunError::NotStarted(_)) => Code::NotStarted,
            _ => Code::Usage,
        }
    }

    /// Writes it to standard error: `error:`, its causes, `hint:`.
    pub(crate) fn show(&self) {
        // Words of a server, a plugin or the config may contain a secret.
        let secrets = Secrets::of_environment();
        if let Self::Config(errors) = self {
            let next = errors.iter().skip(1).map(Some).chain([None]);
            for (error, next) in errors.iter().zip(next) {
                eprintln!("error: {}", secrets.masked(&error.to_string()));
                // Errors in a row with one hint have it once, after the last.
                let is_last = next.is_none_or(|next| next.hint() != error.hint());
                if let Some(hint) = error.hint().filter(|_| is_last) {
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
        if let Self::Merge(MergeError::Lost { lost, .. }) = self {
            for lost in lost {
                eprintln!("  shard {}: {}", lost.index, secrets.masked(&lost.why));
            }
        }
        if let Some(hint) = self.hint() {
            eprintln!("hint: {hint}");
        }
    }

    /// One thing to do, if any.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Run(RunError::Resume(ResumeError::Config { .. })) => Some(
                "resume with the config that the run was started with, or start a new run"
                    .to_owned(),
            ),
            Self::Run(RunError::Resume(ResumeError::NoRun(error)))
            | Self::Merge(MergeError::Derive(error)) => error.hint(),
            Self::Merge(MergeError::Lost { .. }) => Some(
                "run all shards again; --allow-missing makes a partial report without a verdict"
                    .to_owned(),
            ),
            Self::Merge(error) if error.is_of_changed_facts() => Some(
                "--allow-changed merges them all the same, into a report that says so and has no verdict"
                    .to_owned(),
            ),
            Self::CutOff(cut_off) => cut_off_hint(cut_off),
            Self::TooLow(_) => Some("raise it before InferBench is started".to_owned()),
            Self::NewPlugin(error) => error.hint(),
            Self::Compare(error) => error.hint(),
            Self::Derive(error) => error.hint(),
            Self::Capture(error) => error.hint().map(str::to_owned),
            Self::ConfigIsFolder {
                folder,
                is_run: true,
            } => {
                let folder = folder.display();
                Some(format!(
                    "it holds a run: show it with inferbench report {folder}, or continue it with inferbench run CONFIG --resume {folder}"
                ))
            }
            Self::KvCache(KvModelError::NotHere { model }) => Some(format!(
                "give the model's folder, or download it first: hf download {model}"
            )),
            Self::NoPlugin { known, .. } => Some(format!(
                "loaded plugins: {known}; for the refused ones see inferbench plugins"
            )),
            _ => None,
        }
    }
}

/// What to do about a worker that was ended: find out by what, then go on.
fn cut_off_hint(cut_off: &CutOff) -> Option<String> {
    let find_out = match (&cut_off.plugin, cut_off.is_killed()) {
        (_, true) => Some("the kernel kills a process when memory runs out: see dmesg".to_owned()),
        (Some(plugin), false) => {
            let plugin = plugin.display();
            Some(format!(
                "check that plugin with inferbench plugins check {plugin}"
            ))
        }
        (None, false) => None,
    };
    let find_out = find_out.filter(|_| !cut_off.is_panic());
    let go_on = cut_off.folder.as_ref().map(|folder| {
        let folder = folder.display();
        format!("what was measured is kept: inferbench run CONFIG --resume {folder} goes on")
    });
    let hints: Vec<String> = find_out.into_iter().chain(go_on).collect();
    (!hints.is_empty()).then(|| hints.join("; "))
}

/// Why runs were not compared.
#[derive(Debug, Error)]
pub(crate) enum CompareCommandError {
    #[error(transparent)]
    Runs(#[from] CompareError),
    #[error("two runs have the name `{0}`, names must differ")]
    SameName(String),
    #[error("--baseline: `{name}` is not one of the runs: {}", .known.join(", "))]
    NoBaseline { name: String, known: Vec<String> },
    #[error("--output: {0} is a run folder, its report would be overwritten")]
    IntoRun(String),
}

impl CompareCommandError {
    /// One thing to do, if any.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Runs(CompareError::Derive(error)) => return error.hint(),
            Self::Runs(CompareError::Runs(RunsError::OtherWork(_))) => {
                "--force compares them anyway, with a warning at the top"
            }
            Self::SameName(_) => "name them: NAME=FOLDER",
            Self::IntoRun(_) => "choose another folder for the comparison",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Why a plugin project was not created.
#[derive(Debug, Error)]
pub(crate) enum NewPluginError {
    #[error("plugin name `{name}` {fact}")]
    Name { name: String, fact: &'static str },
    #[error("{} already exists, nothing was written", folder.display())]
    Exists { folder: PathBuf },
    #[error("--api-path {}: {fact}", path.display())]
    Api { path: PathBuf, fact: String },
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl NewPluginError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Name { .. } => Some("for example: inferbench plugins new my-server".to_owned()),
            Self::Exists { .. } => Some("choose another folder with --path".to_owned()),
            Self::Api { .. } => Some(
                "give the folder core/plugin-api of InferBench's source, which is the package inferbench-plugin-api"
                    .to_owned(),
            ),
            Self::Write { .. } => None,
        }
    }
}
