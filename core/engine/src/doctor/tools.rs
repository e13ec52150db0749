//! Looks at the programs by which backends are started.

use std::path::Path;

use inferbench_model::doctor::Status;
use inferbench_model::doctor::tools::{Answer, ContainerTools, ProgramPath, Tool};

use super::ask::{self, TOOL_LIMIT};

pub(super) fn tool(program: &str, purpose: &'static str, absence: Status) -> Tool {
    Tool {
        facts: ask::tool(program, &["--version"], TOOL_LIMIT),
        purpose,
        absence,
    }
}

pub(super) fn containers() -> ContainerTools {
    let docker = ask::tool("docker", &["--version"], TOOL_LIMIT);
    let arguments = ["version", "--format", "{{.Server.Version}}"];
    let docker_daemon = match &docker.place {
        ProgramPath::At { path } if docker.version.is_some() => {
            ask::answer(Path::new(path), &arguments, TOOL_LIMIT)
        }
        _ => Answer::NotAsked,
    };
    ContainerTools {
        docker,
        docker_daemon,
        podman: ask::tool("podman", &["--version"], TOOL_LIMIT),
    }
}

/// Whether there is a GPU, and something that runs containers.
pub(super) fn may_need_container_gpus() -> bool {
    let runs_containers = |program: &&str| matches!(ask::find(program), ProgramPath::At { .. });
    Path::new("/dev/nvidiactl").exists() && ["docker", "podman"].iter().any(runs_containers)
}
