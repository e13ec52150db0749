//! The methods to launch a server: as its plugin plans it, in another version
//! through uv, or in a container. From plan to plan: what must be fetched for it
//! is for `fetch`, starting it for `launch`.

mod container;
mod environment;
mod error;
mod launch;
mod uv;

use inferbench_model::config::BackendConfig;
use inferbench_plugin_api::{EnvVar, LaunchPlan};

pub(crate) use environment::local_model;
pub use environment::{LaunchEnvironment, container_name};
pub use error::LaunchMethodError;
pub use launch::{Fetch, Launch};

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
