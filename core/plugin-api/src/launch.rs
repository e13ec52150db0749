//! How a backend is to be started: a plan that the host carries out.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The model, as the config has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Hub id or local folder.
    pub id: String,
    /// Weight and activation type; the backend's choice if absent.
    pub dtype: Option<String>,
    /// Longest prompt plus answer, tokens; the backend's choice if absent.
    pub max_model_len: Option<u32>,
    /// Folder or file with `tokenizer.json`; the model's own if absent.
    pub tokenizer: Option<String>,
}

/// What a launch plan is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchContext {
    /// The model.
    pub model: ModelSpec,
    /// Name under which the server must serve it.
    pub served_name: String,
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; free when the plan was asked for.
    pub port: u16,
    /// Seed of the run.
    pub seed: u64,
    /// Folder into which the plan's files are written before the start.
    pub work_dir: PathBuf,
    /// Highest concurrency that will be asked; absent in an open loop.
    pub max_concurrency: Option<u32>,
}

impl LaunchContext {
    /// Path that a planned file will have once the host has written it.
    #[must_use]
    pub fn path_of(&self, file: &str) -> String {
        self.work_dir.join(file).to_string_lossy().into_owned()
    }

    /// `HF_HUB_OFFLINE=1` where the model is a local folder: a server that loads by
    /// Hugging Face's hub then asks it nothing.
    #[must_use]
    pub fn offline(&self) -> Option<EnvVar> {
        let is_local = Path::new(&self.model.id).is_dir();
        is_local.then(|| EnvVar::plain("HF_HUB_OFFLINE", "1"))
    }

    /// `http://host:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }
}

/// How to start a backend, know it is ready, and stop it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaunchPlan {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Environment on top of InferBench's own.
    pub env: Vec<EnvVar>,
    /// Files to write into the work folder first.
    pub files: Vec<PlannedFile>,
    /// Substrings of log lines worth keeping as evidence.
    pub log_patterns: Vec<String>,
    /// How to stop it.
    pub stop: StopPlan,
    /// Where the command's program comes from, so that the host can launch a
    /// version of it that is not installed. Absent if it comes from no Python
    /// package, or if the options say themselves which program is run.
    pub package: Option<PythonPackage>,
}

impl LaunchPlan {
    /// A plan that runs `command`, and kills it if it does not end within `grace_s` seconds of
    /// SIGTERM.
    #[must_use]
    pub fn new(command: Vec<String>, grace_s: u32) -> Self {
        let stop = StopPlan {
            grace_s,
            ..StopPlan::default()
        };
        Self {
            command,
            stop,
            ..Self::default()
        }
    }
}

/// A Python package, in the version that the config names, in an environment of
/// its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonPackage {
    /// Name on the package index, such as `vllm`.
    pub name: String,
    /// What is installed beside it, as requirements such as `torch`.
    #[serde(default)]
    pub with: Vec<String>,
    /// Program of the environment that stands in for the first part of the
    /// command, such as `vllm` or `python`.
    pub program: String,
    /// Python of the environment, as a version or a path; the host's choice if
    /// absent.
    #[serde(default)]
    pub python: Option<String>,
}

impl PythonPackage {
    /// `name` with nothing beside it, of which `program` is run.
    #[must_use]
    pub fn new(name: &str, program: &str) -> Self {
        Self {
            name: name.to_owned(),
            with: Vec::new(),
            program: program.to_owned(),
            python: None,
        }
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// Never shown or written to the run folder.
    #[serde(default)]
    pub secret: bool,
}

impl EnvVar {
    /// A variable that may be shown.
    #[must_use]
    pub fn plain(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
            secret: false,
        }
    }
}

/// A file that the host writes into the work folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Path relative to the work folder, without `..`.
    pub path: PathBuf,
    /// Contents.
    pub contents: String,
}

impl PlannedFile {
    /// Whether the path stays inside the work folder.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        use std::path::Component;
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        self.path != Path::new("") && self.path.components().all(inside)
    }
}

/// How to stop a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopPlan {
    /// Signal to its process group: `TERM` or `INT`.
    pub signal: String,
    /// Seconds until the group is killed.
    pub grace_s: u32,
}

impl Default for StopPlan {
    fn default() -> Self {
        Self {
            signal: "TERM".to_owned(),
            grace_s: 20,
        }
    }
}

/// The command of a plan: `override_command` if it is set (program and leading
/// arguments), else `default`; then `arguments`, then `extra`.
#[must_use]
pub fn command_line(
    override_command: Option<&[String]>,
    default: &[&str],
    arguments: Vec<String>,
    extra: &[String],
) -> Vec<String> {
    let mut command: Vec<String> = match override_command {
        Some(given) => given.to_vec(),
        None => default.iter().map(|part| (*part).to_owned()).collect(),
    };
    command.extend(arguments);
    command.extend(extra.iter().cloned());
    command
}

/// Arguments of a command line, built from options that may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(Vec<String>);

impl Flags {
    /// No arguments yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `flag value`.
    #[must_use]
    pub fn with(mut self, flag: &str, value: impl ToString) -> Self {
        self.0.extend([flag.to_owned(), value.to_string()]);
        self
    }

    /// `flag value` if there is a value.
    #[must_use]
    pub fn option<T: ToString>(self, flag: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(flag, value),
            None => self,
        }
    }

    /// `flag` if `on`.
    #[must_use]
    pub fn switch(mut self, flag: &str, on: bool) -> Self {
        if on {
            self.0.push(flag.to_owned());
        }
        self
    }

    /// The arguments.
    #[must_use]
    pub fn into_arguments(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_options_leave_no_flag() {
        let flags = Flags::new()
            .with("--port", 80)
            .option("--dtype", None::<String>)
            .option("--len", Some(5))
            .switch("--eager", false)
            .switch("--fast", true);
        assert_eq!(
            flags.into_arguments(),
            ["--port", "80", "--len", "5", "--fast"]
        );
    }

    #[test]
    fn a_given_command_replaces_the_default_and_keeps_the_arguments() {
        let given = ["/opt/vllm".to_owned(), "serve".to_owned()];
        let extra = ["--x".to_owned()];
        let line = command_line(Some(&given), &["vllm"], vec!["m".to_owned()], &extra);
        assert_eq!(line, ["/opt/vllm", "serve", "m", "--x"]);
        assert_eq!(command_line(None, &["vllm"], vec![], &[]), ["vllm"]);
    }

    #[test]
    fn a_plan_of_a_plugin_that_knows_no_package_is_still_read() {
        let plan: LaunchPlan = serde_json::from_str(r#"{"command": ["serve"]}"#).unwrap();
        assert_eq!(plan.package, None);
    }

    #[test]
    fn a_planned_file_stays_in_its_folder() {
        let file = |path: &str| PlannedFile {
            path: path.into(),
            contents: String::new(),
        };
        assert!(file("a/b.py").is_inside());
        for path in ["", "../a", "/a", "a/../../b"] {
            assert!(!file(path).is_inside(), "{path}");
        }
    }
}
