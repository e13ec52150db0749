//! Why a backend cannot be launched by a method, and what to do about it.

use inferbench_model::config::BackendConfig;
use thiserror::Error;

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
