//! Looks at the programs by which backends are started.

use std::path::Path;

use inferbench_model::doctor::tools::{Answer, ContainerTools, Place, Tool};
use inferbench_model::doctor::{Group, Status};

use super::ask::{self, TOOL_LIMIT};
use super::{Ground, Probe, Teller};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "uv",
        group: Group::Tools,
        alone: false,
        look: |_, tell| {
            tool(
                "uv",
                "backends with a `version`: https://docs.astral.sh/uv",
                Status::Warning,
                tell,
            );
        },
    },
    Probe {
        name: "docker, podman",
        group: Group::Tools,
        alone: false,
        look: containers,
    },
    Probe {
        name: "nvidia-ctk",
        group: Group::Tools,
        alone: false,
        look: container_gpus,
    },
    Probe {
        name: "python3",
        group: Group::Tools,
        alone: false,
        look: |_, tell| {
            tool(
                "python3",
                "engines that are Python packages",
                Status::Warning,
                tell,
            );
        },
    },
];

fn tool(program: &str, purpose: &'static str, absence: Status, tell: &Teller) {
    let facts = ask::tool(program, &["--version"], TOOL_LIMIT);
    let tool = Tool {
        facts,
        purpose,
        absence,
    };
    tell.line(program, &tool);
}

fn containers(_: &Ground, tell: &Teller) {
    let docker = ask::tool("docker", &["--version"], TOOL_LIMIT);
    let arguments = ["version", "--format", "{{.Server.Version}}"];
    let docker_daemon = match &docker.place {
        Place::At { path } if docker.version.is_some() => {
            ask::answer(Path::new(path), &arguments, TOOL_LIMIT)
        }
        _ => Answer::NotAsked,
    };
    let tools = ContainerTools {
        docker,
        docker_daemon,
        podman: ask::tool("podman", &["--version"], TOOL_LIMIT),
    };
    tell.line("docker, podman", &tools);
}

/// Told where there is a GPU, and something to run containers.
fn container_gpus(_: &Ground, tell: &Teller) {
    let has_gpu = Path::new("/dev/nvidiactl").exists();
    let runs_containers = ["docker", "podman"]
        .iter()
        .any(|program| matches!(ask::find(program), Place::At { .. }));
    if has_gpu && runs_containers {
        tool("nvidia-ctk", "GPUs in containers", Status::Warning, tell);
    }
}
