//! Looks for what the backends of a config need: programs, Python packages, images,
//! running servers. It starts no server.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use inferbench_model::doctor::needs::{ImageState, Need};
use inferbench_model::doctor::plugins::Package;
use inferbench_model::doctor::tools::ProgramPath;
use inferbench_model::doctor::{Judged, Status, Verdict};
use inferbench_plugin_api::{LaunchPlan, PythonPackage};

use super::ask::{self, ENGINE_LIMIT, ProgramEnd, TOOL_LIMIT};
use super::plugins::packages_at;
use crate::http::Target;
use crate::prepare::PreparedRun;
use crate::server::method::Launch;

/// Longest that a program in an image is looked for.
const IMAGE_LIMIT: Duration = Duration::from_secs(20);
/// Longest that a server may take to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// What runtimes say of an image that is not there.
const ABSENT: [&str; 3] = ["no such image", "image not known", "failed to find image"];
/// Prints whether the module is found, without importing it.
const HAS_MODULE: &str =
    "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]) is not None)";
/// Gives the path of a program in an image, or [`NOWHERE`].
const WHERE_IS: &str = "command -v \"$1\" || echo nowhere";
const NOWHERE: &str = "nowhere";

/// What one backend of a config needs.
#[derive(Debug, Clone)]
pub struct BackendNeed {
    /// Its place in the config.
    pub index: usize,
    /// Its label.
    pub label: String,
    /// What it needs, and whether it is there.
    pub need: Need,
}

impl BackendNeed {
    /// Whether it is something on this machine, which may be missing.
    #[must_use]
    pub fn is_looked_for(&self) -> bool {
        matches!(self.need, Need::Program { .. } | Need::Image { .. })
    }

    /// What is wrong, if it cannot start: the fact, and what to do.
    #[must_use]
    pub fn error(&self) -> Option<(String, Option<String>)> {
        let Verdict { status, text, hint } = self.need.verdict();
        (status == Status::Error).then_some((text, hint))
    }
}

/// What each backend of a prepared run needs. `launches`: its
/// [`preview`](PreparedRun::preview).
#[must_use]
pub fn needs(prepared: &PreparedRun, launches: &[Option<Launch>]) -> Vec<BackendNeed> {
    let backends = prepared.backends.iter().zip(launches).enumerate();
    let needs = backends.flat_map(|(index, (backend, launch))| {
        let each = match launch {
            _ if !backend.attach.is_empty() => of_servers(&backend.attach),
            None => vec![Need::Nothing],
            Some(launch) => vec![of_launch(prepared, index, launch)],
        };
        each.into_iter().map(move |need| BackendNeed {
            index,
            label: backend.label.clone(),
            need,
        })
    });
    needs.collect()
}

/// Each of the servers that run already.
fn of_servers(targets: &[Target]) -> Vec<Need> {
    let servers = targets.iter().map(|target| Need::Server {
        address: target.base_url(),
        answers: None,
    });
    servers.collect()
}

fn of_launch(prepared: &PreparedRun, index: usize, launch: &Launch) -> Need {
    match &prepared.config.backends[index].container {
        Some(container) => {
            let runtime = container.runtime.program();
            of_image(runtime, &container.image, &launch.plan)
        }
        None => of_program(&launch.plan),
    }
}

/// Finds out whether the servers that run already take a connection; one whose
/// address is not `http://HOST:PORT` is not tried.
pub fn try_servers(needs: &mut [BackendNeed]) {
    for backend in needs {
        if let Need::Server { address, answers } = &mut backend.need {
            *answers = takes_connections(address);
        }
    }
}

fn takes_connections(address: &str) -> Option<bool> {
    let place = address.strip_prefix("http://")?.split('/').next()?;
    let found = match place.to_socket_addrs() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::InvalidInput => return None,
        Err(_) => return Some(false),
    };
    let takes = |address| TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok();
    Some(found.into_iter().any(takes))
}

fn of_program(plan: &LaunchPlan) -> Need {
    let program = plan.command.first().cloned().unwrap_or_default();
    let path = plan.env.iter().rfind(|var| var.name == "PATH");
    let path = path.map(|var| OsString::from(&var.value));
    let path = path.or_else(|| std::env::var_os("PATH"));
    let place = ask::find_launched(&program, path.as_deref());
    Need::Program {
        packages: packages(&place, plan),
        program,
        place,
    }
}

/// The packages that a Python has to have: those that the plugin names, else the
/// module that it is started with.
fn packages(place: &ProgramPath, plan: &LaunchPlan) -> Option<Vec<Package>> {
    let ProgramPath::At { path } = place else {
        return None;
    };
    let path = Path::new(path);
    let own: Option<&PythonPackage> = plan.package.as_ref();
    if let Some(found) = own.and_then(|package| packages_at(path, package)) {
        return Some(found);
    }
    let mut words = plan.command.iter().skip_while(|word| *word != "-m").skip(1);
    let name = path.file_name()?.to_str()?;
    let module = words.next().filter(|_| name.starts_with("python"))?;
    let top = module.split('.').next()?;
    match ask::run(path, &["-c", HAS_MODULE, top], ENGINE_LIMIT) {
        ProgramEnd::Ended {
            success: true, out, ..
        } => Some(vec![Package {
            name: top.to_owned(),
            found: out.trim().ends_with("True"),
            version: None,
        }]),
        _ => None,
    }
}

fn of_image(runtime: &str, image: &str, plan: &LaunchPlan) -> Need {
    let program = plan.command.iter().rposition(|word| word == "--entrypoint");
    let program = program.and_then(|at| plan.command.get(at + 1));
    Need::Image {
        state: image_state(runtime, image, program.map_or("", String::as_str)),
        runtime: runtime.to_owned(),
        image: image.to_owned(),
    }
}

fn image_state(runtime: &str, image: &str, program: &str) -> ImageState {
    let ProgramPath::At { path } = ask::find(runtime) else {
        let reason = "it is not there".to_owned();
        return ImageState::Unknown { reason };
    };
    let path = Path::new(&path);
    let inspect = ["image", "inspect", "--format", "{{.Id}}", image];
    match ask::run(path, &inspect, TOOL_LIMIT) {
        ProgramEnd::Ended { success: true, .. } => {}
        ProgramEnd::Ended { err, .. } => return not_inspected(&err),
        ProgramEnd::NotStarted(reason) => return ImageState::Unknown { reason },
        ProgramEnd::TimedOut => {
            let reason = format!("no answer within {} s", TOOL_LIMIT.as_secs());
            return ImageState::Unknown { reason };
        }
    }
    let run = ["run", "--rm", "--network", "none", "--entrypoint", "sh"];
    let look = [image, "-c", WHERE_IS, "sh", program];
    let look: Vec<&str> = run.into_iter().chain(look).collect();
    let has_program = match ask::run(path, &look, IMAGE_LIMIT) {
        ProgramEnd::Ended {
            success: true, out, ..
        } => match out.trim() {
            "" => None,
            place => Some(place != NOWHERE),
        },
        // An image without a shell may have it.
        _ => None,
    };
    ImageState::Here {
        program: program.to_owned(),
        has_program,
    }
}

/// Why an image cannot be looked at, from what the runtime said.
fn not_inspected(said: &str) -> ImageState {
    let small = said.to_lowercase();
    if ABSENT.iter().any(|words| small.contains(words)) {
        return ImageState::Absent;
    }
    let line = said.lines().rev().map(str::trim).find(|l| !l.is_empty());
    let line = line.unwrap_or("it failed without a word");
    ImageState::Unknown {
        reason: line.chars().filter(|c| !c.is_control()).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use inferbench_plugin_api::EnvVar;

    use super::*;

    fn plan(command: &[&str], path: &Path) -> LaunchPlan {
        LaunchPlan {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            env: vec![EnvVar::plain("PATH", path.to_string_lossy())],
            ..LaunchPlan::default()
        }
    }

    fn script(folder: &Path, name: &str, text: &str) {
        let file = folder.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_is_looked_for_on_the_path_that_the_launch_has() {
        let folder = tempfile::tempdir().unwrap();
        script(folder.path(), "own-engine", "exit 0");
        let place = |plan| match of_program(&plan) {
            Need::Program { place, .. } => place,
            other => panic!("{other:?}"),
        };
        let there = place(plan(&["own-engine", "serve"], folder.path()));
        assert!(matches!(there, ProgramPath::At { .. }), "{there:?}");
        let elsewhere = place(plan(&["own-engine", "serve"], Path::new("/nowhere")));
        assert_eq!(elsewhere, ProgramPath::Nowhere);
    }

    #[test]
    fn a_python_is_asked_for_the_module_that_it_is_started_with() {
        let folder = tempfile::tempdir().unwrap();
        script(
            folder.path(),
            "python3",
            "test \"$3\" = there && echo True || echo False",
        );
        for (module, found) in [("there.serve", true), ("gone.serve", false)] {
            let command = ["python3", "-m", module];
            let Need::Program { packages, .. } = of_program(&plan(&command, folder.path())) else {
                panic!("it is a program");
            };
            let packages = packages.unwrap();
            assert_eq!(packages[0].found, found, "{module}");
        }
    }

    #[test]
    fn a_server_is_tried_where_its_address_says_where() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        assert_eq!(takes_connections(&address), Some(true));
        drop(listener);
        assert_eq!(takes_connections(&address), Some(false));
        assert_eq!(takes_connections("unix:/tmp/x"), None);
    }

    #[test]
    fn an_absent_image_is_told_from_a_runtime_that_does_not_work() {
        for said in [
            "Error response from daemon: No such image: i:1",
            "Error: i:1: image not known",
        ] {
            assert_eq!(not_inspected(said), ImageState::Absent, "{said}");
        }
        let daemon = "[]\nCannot connect to the Docker daemon at unix:///x. Is it running?\n";
        let ImageState::Unknown { reason } = not_inspected(daemon) else {
            panic!("it is no word of an image");
        };
        assert!(reason.starts_with("Cannot connect"), "{reason}");
    }
}
