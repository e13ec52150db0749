//! A server in a container: the client's command line, what it mounts and passes
//! on, and the commands that stop a container, which outlives its client.

use inferbench_model::config::{ContainerConfig, ContainerRuntime};
use inferbench_plugin_api::{EnvVar, LaunchPlan};

use super::environment::LaunchEnvironment;
use super::error::LaunchMethodError;
use super::launch::{Fetch, Launch, words};
use crate::server::supervise::MARK;

/// The plan's command in a container of the host's network, with its files, the
/// model and the hub's cache at the paths that they have here.
///
/// # Errors
/// If a path cannot be mounted, or the runtime is not there.
pub(super) fn contained(
    plan: LaunchPlan,
    container: &ContainerConfig,
    environment: &LaunchEnvironment,
) -> Result<Launch, LaunchMethodError> {
    let runtime = container.runtime.program();
    if !environment.has_runtime {
        return Err(LaunchMethodError::NoRuntime { runtime });
    }
    let (program, arguments) = plan
        .command
        .split_first()
        .ok_or(LaunchMethodError::NoProgram)?;
    let grace_s = plan.stop.grace_s;
    let mut command = words([runtime, "run", "--rm", "--name", &environment.name]);
    command.extend(words(["--network", "host"]));
    command.extend(defaults(container, environment));
    command.extend(words(["--stop-signal", stop_signal(&plan)]));
    command.extend(mounts(environment)?);
    let (arguments_of_env, secrets) = variables(&plan.env, environment);
    command.extend(arguments_of_env);
    command.extend(container.args.iter().cloned());
    command.extend(words(["--entrypoint", program, &container.image]));
    command.extend(arguments.iter().cloned());
    Ok(Launch {
        fetch: Some(image(container)),
        folders: environment.hub_cache.iter().cloned().collect(),
        stop_commands: stop_commands(container.runtime, &environment.name, grace_s),
        plan: LaunchPlan {
            command,
            env: secrets,
            ..plan
        },
    })
}

/// What `args` may set in another way.
fn defaults(container: &ContainerConfig, environment: &LaunchEnvironment) -> Vec<String> {
    let named = |flags: &[&str]| {
        let names = |arg: &String| flags.iter().any(|flag| is_flag(arg, flag));
        container.args.iter().any(names)
    };
    let mut arguments = Vec::new();
    // The shared memory of NCCL and of PyTorch's workers; a container has 64 MB.
    if !named(&["--ipc", "--shm-size"]) {
        arguments.extend(words(["--ipc", "host"]));
    }
    let asked = container
        .args
        .iter()
        .any(|arg| arg.contains("nvidia.com/gpu"));
    if environment.has_nvidia_gpus && !asked && !named(&["--gpus", "--runtime"]) {
        arguments.extend(match container.runtime {
            ContainerRuntime::Docker => words(["--gpus", "all"]),
            ContainerRuntime::Podman => words(["--device", "nvidia.com/gpu=all"]),
        });
    }
    // What is mounted keeps its labels, where SELinux has some.
    if container.runtime == ContainerRuntime::Podman && !named(&["--security-opt"]) {
        arguments.extend(words(["--security-opt", "label=disable"]));
    }
    arguments
}

fn is_flag(arg: &str, flag: &str) -> bool {
    let rest = arg.strip_prefix(flag);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

fn stop_signal(plan: &LaunchPlan) -> &'static str {
    match plan.stop.signal.as_str() {
        "INT" => "SIGINT",
        _ => "SIGTERM",
    }
}

fn mounts(environment: &LaunchEnvironment) -> Result<Vec<String>, LaunchMethodError> {
    let read_only = environment.read_only.iter().map(|path| (path, ":ro"));
    let cache = environment.hub_cache.iter().map(|path| (path, ""));
    let mut arguments = Vec::new();
    for (path, mode) in read_only.chain(cache) {
        let path = path.to_string_lossy();
        if path.contains(':') {
            return Err(LaunchMethodError::Unmountable {
                path: path.into_owned(),
            });
        }
        arguments.extend(["-v".to_owned(), format!("{path}:{path}{mode}")]);
    }
    Ok(arguments)
}

/// Arguments that set the container's variables, and those variables whose
/// values only the client's own environment may hold.
fn variables(env: &[EnvVar], environment: &LaunchEnvironment) -> (Vec<String>, Vec<EnvVar>) {
    let unset = |name: &str| env.iter().all(|var| var.name != name);
    let mut arguments = Vec::new();
    let mut add = |value: String| arguments.extend(["-e".to_owned(), value]);
    // The supervisor gives it to the client: it marks whose the processes are.
    add(MARK.to_owned());
    if let Some(cache) = &environment.hub_cache
        && unset("HF_HUB_CACHE")
    {
        add(format!("HF_HUB_CACHE={}", cache.display()));
    }
    environment
        .passed_on
        .iter()
        .filter(|name| unset(name))
        .for_each(|name| add(name.clone()));
    for var in env {
        add(match var.secret {
            true => var.name.clone(),
            false => format!("{}={}", var.name, var.value),
        });
    }
    let secrets = env.iter().filter(|var| var.secret).cloned();
    (arguments, secrets.collect())
}

fn image(container: &ContainerConfig) -> Fetch {
    let runtime = container.runtime.program();
    let image = &container.image;
    let there = [runtime, "image", "inspect", "--format", "{{.Id}}", image];
    Fetch {
        what: format!("image {image}"),
        check: Some(words(there)),
        plan: LaunchPlan {
            command: words([runtime, "pull", image]),
            ..LaunchPlan::default()
        },
    }
}

fn stop_commands(runtime: ContainerRuntime, name: &str, grace_s: u32) -> Vec<Vec<String>> {
    let program = runtime.program();
    let stop = words([program, "stop", "-t", &grace_s.to_string(), name]);
    let remove = match runtime {
        ContainerRuntime::Docker => words([program, "rm", "-f", name]),
        // It has a grace of its own.
        ContainerRuntime::Podman => words([program, "rm", "-f", "-t", "0", name]),
    };
    vec![stop, remove]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> LaunchEnvironment {
        LaunchEnvironment {
            name: "inferbench-run-vllm-0".to_owned(),
            read_only: vec!["/models/m".into(), "/results/run/logs/vllm/0".into()],
            hub_cache: Some("/home/u/hub".into()),
            has_runtime: true,
            ..LaunchEnvironment::default()
        }
    }

    fn plan() -> LaunchPlan {
        let secret = EnvVar {
            secret: true,
            ..EnvVar::plain("API_KEY", "hunter2")
        };
        LaunchPlan {
            command: words(["vllm", "serve", "/models/m", "--port", "8000"]),
            env: vec![EnvVar::plain("VLLM_NO_USAGE_STATS", "1"), secret],
            ..LaunchPlan::default()
        }
    }

    fn container(runtime: ContainerRuntime, args: &[&str]) -> ContainerConfig {
        ContainerConfig {
            image: "vllm/vllm-openai:v0.32.0".to_owned(),
            runtime,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    fn line(container: &ContainerConfig, environment: &LaunchEnvironment) -> String {
        contained(plan(), container, environment)
            .unwrap()
            .plan
            .command
            .join(" ")
    }

    #[test]
    fn docker_gets_network_memory_gpus_mounts_and_the_plan_s_command() {
        let environment = LaunchEnvironment {
            has_nvidia_gpus: true,
            ..environment()
        };
        assert_eq!(
            line(
                &container(ContainerRuntime::Docker, &["--cpus", "8"]),
                &environment
            ),
            "docker run --rm --name inferbench-run-vllm-0 --network host --ipc host --gpus all \
             --stop-signal SIGTERM -v /models/m:/models/m:ro \
             -v /results/run/logs/vllm/0:/results/run/logs/vllm/0:ro -v /home/u/hub:/home/u/hub \
             -e INFERBENCH_SERVER -e HF_HUB_CACHE=/home/u/hub -e VLLM_NO_USAGE_STATS=1 -e API_KEY --cpus 8 \
             --entrypoint vllm vllm/vllm-openai:v0.32.0 serve /models/m --port 8000"
        );
    }

    #[test]
    fn podman_names_gpus_and_labels_in_its_own_way() {
        let environment = LaunchEnvironment {
            has_nvidia_gpus: true,
            ..environment()
        };
        let line = line(&container(ContainerRuntime::Podman, &[]), &environment);
        let start = "podman run --rm --name inferbench-run-vllm-0 --network host --ipc host \
                     --device nvidia.com/gpu=all --security-opt label=disable --stop-signal";
        assert!(line.starts_with(start), "{line}");
    }

    #[test]
    fn without_devices_none_are_asked_for_and_arguments_win_over_defaults() {
        let plain = line(&container(ContainerRuntime::Docker, &[]), &environment());
        assert!(!plain.contains("--gpus"), "{plain}");
        let environment = LaunchEnvironment {
            has_nvidia_gpus: true,
            ..environment()
        };
        let args = ["--shm-size=16g", "--gpus", "device=1"];
        let own = line(&container(ContainerRuntime::Docker, &args), &environment);
        assert!(!own.contains("--ipc") && !own.contains("all"), "{own}");
    }

    #[test]
    fn a_secret_is_named_on_the_command_line_and_held_by_the_client_alone() {
        let launch = contained(
            plan(),
            &container(ContainerRuntime::Docker, &[]),
            &environment(),
        );
        let plan = launch.unwrap().plan;
        assert!(!plan.command.join(" ").contains("hunter2"));
        let held: Vec<_> = plan.env.iter().map(|v| (&*v.name, &*v.value)).collect();
        assert_eq!(held, [("API_KEY", "hunter2")]);
    }

    #[test]
    fn a_container_is_stopped_by_name_and_removed_whatever_became_of_it() {
        let lines = |runtime| {
            let launch = contained(plan(), &container(runtime, &[]), &environment()).unwrap();
            let commands = launch.stop_commands.into_iter();
            commands.map(|words| words.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(ContainerRuntime::Docker),
            [
                "docker stop -t 20 inferbench-run-vllm-0",
                "docker rm -f inferbench-run-vllm-0"
            ]
        );
        assert_eq!(
            lines(ContainerRuntime::Podman)[1],
            "podman rm -f -t 0 inferbench-run-vllm-0"
        );
    }

    #[test]
    fn an_image_that_is_there_is_not_pulled() {
        let launch = contained(
            plan(),
            &container(ContainerRuntime::Podman, &[]),
            &environment(),
        );
        let fetch = launch.unwrap().fetch.unwrap();
        assert_eq!(
            fetch.check.unwrap().join(" "),
            "podman image inspect --format {{.Id}} vllm/vllm-openai:v0.32.0"
        );
        assert_eq!(
            fetch.plan.command.join(" "),
            "podman pull vllm/vllm-openai:v0.32.0"
        );
    }

    #[test]
    fn what_cannot_be_mounted_and_a_runtime_that_is_not_there_are_told() {
        let docker = container(ContainerRuntime::Docker, &[]);
        let colon = LaunchEnvironment {
            read_only: vec!["/a:b".into()],
            ..environment()
        };
        let error = contained(plan(), &docker, &colon).unwrap_err();
        assert!(error.to_string().contains("/a:b"));
        let error = contained(plan(), &docker, &LaunchEnvironment::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "is docker, and no `docker` is on the PATH"
        );
    }
}
