//! A version of a Python package in an environment of its own, which uv makes
//! and keeps in its cache: two versions of one engine never share one.

use inferbench_model::config::BackendConfig;
use inferbench_plugin_api::{LaunchPlan, PythonPackage};

use super::environment::LaunchEnvironment;
use super::error::LaunchMethodError;
use super::launch::{Fetch, Launch, words};

/// The plan's program from `version` of its package.
///
/// The start itself is offline: what is installed is settled before it, and the
/// same for every start of a run.
///
/// # Errors
/// If the plan names no package, or uv is not there.
pub(super) fn versioned(
    backend: &BackendConfig,
    plan: LaunchPlan,
    version: &str,
    environment: &LaunchEnvironment,
) -> Result<Launch, LaunchMethodError> {
    let Some(package) = &plan.package else {
        return Err(no_package(backend, version, environment));
    };
    if !environment.has_uv {
        return Err(LaunchMethodError::NoUv {
            version: version.to_owned(),
        });
    }
    // Compiled now, the first start takes no longer than the later ones.
    let mut install = run(package, version, "--compile-bytecode");
    install.extend(words(["python", "--version"]));
    let install = LaunchPlan {
        command: install,
        env: plan.env.clone(),
        ..LaunchPlan::default()
    };
    let mut command = run(package, version, "--offline");
    command.push(package.program.clone());
    command.extend(plan.command.iter().skip(1).cloned());
    let fetch = Fetch {
        what: format!("{} {version}", package.name),
        check: None,
        plan: install,
    };
    Ok(Launch {
        plan: LaunchPlan { command, ..plan },
        fetch: Some(fetch),
        ..Launch::default()
    })
}

fn no_package(
    backend: &BackendConfig,
    version: &str,
    environment: &LaunchEnvironment,
) -> LaunchMethodError {
    let version = version.to_owned();
    if backend.options.contains_key("command") {
        LaunchMethodError::OwnCommand {
            version,
            has_package_option: environment.has_package_option,
        }
    } else {
        let plugin = backend.plugin.clone();
        LaunchMethodError::NoPackage { version, plugin }
    }
}

/// The command line that a program of the environment follows.
fn run(package: &PythonPackage, version: &str, flag: &str) -> Vec<String> {
    let mut command = words(["uv", "tool", "run", flag, "--isolated"]);
    if let Some(python) = &package.python {
        command.extend(["--python".to_owned(), python.clone()]);
    }
    let wanted = format!("{}=={version}", package.name);
    command.extend(["--from".to_owned(), wanted]);
    for requirement in &package.with {
        command.extend(["--with".to_owned(), requirement.clone()]);
    }
    command
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn backend(options: serde_json::Value) -> BackendConfig {
        let value = json!({"plugin": "engine", "version": "1.2.3", "options": options});
        serde_json::from_value(value).unwrap()
    }

    fn environment() -> LaunchEnvironment {
        LaunchEnvironment {
            has_uv: true,
            ..LaunchEnvironment::default()
        }
    }

    fn plan(package: Option<PythonPackage>) -> LaunchPlan {
        LaunchPlan {
            command: words(["python3", "/f/server.py", "--port", "8000"]),
            package,
            ..LaunchPlan::default()
        }
    }

    fn launched(package: PythonPackage) -> Launch {
        versioned(
            &backend(json!({})),
            plan(Some(package)),
            "1.2.3",
            &environment(),
        )
        .unwrap()
    }

    #[test]
    fn the_program_of_the_version_stands_for_that_on_the_path() {
        let launch = launched(PythonPackage::new("engine", "engine"));
        assert_eq!(
            launch.plan.command.join(" "),
            "uv tool run --offline --isolated --from engine==1.2.3 engine /f/server.py --port 8000"
        );
        assert!(launch.stop_commands.is_empty());
    }

    #[test]
    fn the_install_makes_the_environment_that_the_start_uses_and_runs_nothing_of_it() {
        let launch = launched(PythonPackage {
            with: words(["torch", "accelerate>=1"]),
            python: Some("3.12".to_owned()),
            ..PythonPackage::new("transformers", "python")
        });
        let environment =
            "--isolated --python 3.12 --from transformers==1.2.3 --with torch --with accelerate>=1";
        let fetch = launch.fetch.unwrap();
        assert_eq!(fetch.what, "transformers 1.2.3");
        assert_eq!(
            fetch.plan.command.join(" "),
            format!("uv tool run --compile-bytecode {environment} python --version")
        );
        assert_eq!(
            launch.plan.command.join(" "),
            format!("uv tool run --offline {environment} python /f/server.py --port 8000")
        );
    }

    #[test]
    fn a_plan_without_a_package_has_no_versions() {
        let refused = |options| {
            let backend = backend(options);
            versioned(&backend, plan(None), "1.2.3", &environment()).unwrap_err()
        };
        assert_eq!(
            refused(json!({})).to_string(),
            "is \"1.2.3\", but plugin `engine` names no Python package to install"
        );
        let own = refused(json!({"command": ["/venv/bin/engine"]}));
        assert_eq!(
            own.to_string(),
            "is \"1.2.3\", but `options.command` names the program that is run"
        );
        assert_eq!(own.key(&backend(json!({}))), "version");
    }

    #[test]
    fn without_uv_it_is_said_how_to_get_it() {
        let package = Some(PythonPackage::new("engine", "engine"));
        let backend = backend(json!({}));
        let error = versioned(
            &backend,
            plan(package),
            "1.2.3",
            &LaunchEnvironment::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no `uv` is on the PATH"));
        assert!(error.hint().unwrap().contains("pip install uv"));
    }
}
