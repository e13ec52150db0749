//! The methods to launch a server: as its plugin plans it, in another version
//! through uv, or in a container. From plan to plan: what must be fetched for it
//! is for `fetch`, starting it for `launch`.

mod container;
mod environment;
mod uv;

use std::path::PathBuf;

use inferbench_model::config::BackendConfig;
use inferbench_plugin_api::{EnvVar, LaunchPlan};
use thiserror::Error;

pub(crate) use environment::local_folder;
pub use environment::{LaunchEnvironment, container_name};

/// A start of a server, by whichever method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The plan, its environment complete.
    pub plan: LaunchPlan,
    /// What has to be there before it can start; absent if the plan's program
    /// is all.
    pub fetch: Option<Fetch>,
    /// Folders that have to be there.
    pub folders: Vec<PathBuf>,
    /// Commands that stop what is not among its processes, in order. The last one
    /// alone is enough, and gives no grace.
    pub stop_commands: Vec<Vec<String>>,
}

/// How to fetch what a start needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What it is, such as `vllm 0.32.0`.
    pub what: String,
    /// Command that ends well if it is there; absent if `plan` sees for itself.
    pub check: Option<Vec<String>>,
    /// Plan that fetches it and ends.
    pub plan: LaunchPlan,
}

/// A launch method that this backend cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LaunchMethodError {
    /// The options name the program already.
    #[error("is \"{version}\", but `options.command` names the program that is run")]
    OwnCommand {
        /// The version.
        version: String,
        /// The plugin has an option `package`.
        has_package_option: bool,
    },
    /// The plugin names no package.
    #[error("is \"{version}\", but plugin `{plugin}` names no Python package to install")]
    NoPackage {
        /// The version.
        version: String,
        /// The plugin.
        plugin: String,
    },
    /// uv is not there.
    #[error("is \"{version}\", which is installed through uv, and no `uv` is on the PATH")]
    NoUv {
        /// The version.
        version: String,
    },
    /// The runtime is not there.
    #[error("is {runtime}, and no `{runtime}` is on the PATH")]
    NoRuntime {
        /// The program.
        runtime: &'static str,
    },
    /// A folder that cannot be mounted.
    #[error("needs {path} in the container, and a path with a `:` cannot be mounted")]
    Unmountable {
        /// The path.
        path: String,
    },
    /// The plan names no program.
    #[error("is set, but the plugin's launch plan names no program")]
    NoProgram,
    /// Nothing is launched.
    #[error("is set, but plugin `{plugin}` runs inside this process")]
    InProcess {
        /// The plugin.
        plugin: String,
    },
}

impl LaunchMethodError {
    /// The backend's key that is at fault: `version` or one of `container`.
    #[must_use]
    pub fn key(&self, backend: &BackendConfig) -> &'static str {
        match self {
            Self::NoRuntime { .. } => "container.runtime",
            _ if backend.version.is_some() => "version",
            _ => "container",
        }
    }

    /// One thing to do, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::OwnCommand {
                has_package_option: true,
                ..
            } => Some("set options.package to the Python package that the command belongs to"),
            Self::OwnCommand { .. } => Some("remove one of the two"),
            Self::NoUv { .. } => Some(
                "install it: pip install uv, or see https://docs.astral.sh/uv/getting-started/installation",
            ),
            Self::NoRuntime { runtime: "docker" } => {
                Some("install docker, or set container.runtime to podman")
            }
            Self::NoRuntime { .. } => Some("install podman, or set container.runtime to docker"),
            _ => None,
        }
    }
}

/// The start that `backend`'s config asks for, from its plugin's plan.
///
/// `env`: variables of the config, which win over the plan's.
///
/// # Errors
/// See [`LaunchMethodError`].
pub fn launch(
    backend: &BackendConfig,
    mut plan: LaunchPlan,
    env: &[EnvVar],
    environment: &LaunchEnvironment,
) -> Result<Launch, LaunchMethodError> {
    plan.env
        .retain(|var| env.iter().all(|own| own.name != var.name));
    plan.env.extend(env.iter().cloned());
    match (&backend.version, &backend.container) {
        (Some(version), _) => uv::versioned(backend, plan, version, environment),
        (None, Some(container)) => container::contained(plan, container, environment),
        (None, None) => Ok(Launch {
            plan,
            ..Launch::default()
        }),
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
