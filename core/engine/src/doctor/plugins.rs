//! Looks at plugins and at what each would start.

use std::path::Path;

use inferbench_model::doctor::plugins::{
    BackendFacts, Folder, FolderFacts, Measurable, Package, Refused, Starts,
};
use inferbench_model::doctor::tools::{ProgramPath, ToolFacts};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    LaunchContext, LaunchPlan, ModelSpec, OpenContext, PluginError, PythonPackage,
};

use super::ask::{self, ENGINE_LIMIT, ProgramEnd};
use super::check::{Ground, Lines};
use crate::plugins::host::{Plugin, PluginHost};
use crate::plugins::search::{self, SearchPath};
use crate::secrets::Secrets;
use crate::server::launch::command_text;

/// Placeholder for the model in a command that is only shown.
const MODEL: &str = "MODEL";
/// Placeholder for the folder of a run.
const FOLDER: &str = "RUN_FOLDER";

/// Prints `name version` for each distribution that is installed.
const PACKAGE_VERSIONS: &str = "\
import sys
from importlib import metadata
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
";

pub(super) fn folders(search: &SearchPath) -> FolderFacts {
    let folders = search::folders(search).into_iter();
    let folders = folders.map(|(path, origin)| Folder {
        exists: path.is_dir(),
        libraries: search::libraries_in(&path).len(),
        named: search.dirs.contains(&path) || origin == search::PATH_VARIABLE,
        path: path.display().to_string(),
        origin,
    });
    FolderFacts {
        folders: folders.collect(),
    }
}

/// A line for each library that was refused, one for each backend, and one on
/// what can be measured.
pub(super) fn backends(ground: &Ground, lines: &Lines) {
    let host = PluginHost::load(&ground.plugins);
    for found in &host.found {
        if let Err(refusal) = &found.outcome {
            let name = found.file.file_name().unwrap_or_default().to_string_lossy();
            let refused = Refused {
                file: found.file.display().to_string(),
                origin: found.origin.clone(),
                reason: refusal.to_string(),
            };
            lines.add_named(name, &refused);
        }
    }
    let mut measurable = Measurable::default();
    // Each asks programs that take their time.
    let found: Vec<(&Plugin, BackendFacts)> = std::thread::scope(|scope| {
        let asked = host.plugins().map(|plugin| {
            let starts = planned(plugin);
            (plugin, scope.spawn(move || asked(starts)))
        });
        let asked: Vec<_> = asked.collect();
        let answers = asked.into_iter().filter_map(|(plugin, starts)| {
            // A thread that panicked has printed why.
            Some((plugin, facts(plugin, starts.join().ok()?)))
        });
        answers.collect()
    });
    for (plugin, facts) in found {
        let name = &plugin.description.name;
        if facts.starts_here() {
            measurable.start.push(name.clone());
        }
        if facts.can_attach {
            measurable.attach.push(name.clone());
        }
        lines.add_named(name, &facts);
    }
    lines.add_named("measurable", &measurable);
}

fn facts(plugin: &Plugin, starts: Starts) -> BackendFacts {
    let description = &plugin.description;
    BackendFacts {
        version: description.version.clone(),
        simulated: description.simulated,
        can_attach: description.capabilities.can_attach,
        starts,
    }
}

/// What a plugin would start without options, its program not yet asked.
enum Planned {
    Known(Starts),
    Command(Box<LaunchPlan>),
}

fn planned(plugin: &Plugin) -> Planned {
    if plugin.description.capabilities.in_process {
        return Planned::Known(Starts::InProcess);
    }
    match plan(plugin) {
        Ok(Some(plan)) if !plan.command.is_empty() => Planned::Command(Box::new(plan)),
        Ok(_) => Planned::Known(Starts::Nothing),
        Err(error) => Planned::Known(Starts::Unknown {
            reason: error.to_string(),
        }),
    }
}

fn plan(plugin: &Plugin) -> Result<Option<LaunchPlan>, PluginError> {
    let context = OpenContext::default();
    let client = BackendClient::open(plugin.module, &plugin.description.name, &context)?;
    client.launch_plan(&LaunchContext {
        model: ModelSpec {
            id: MODEL.to_owned(),
            ..ModelSpec::default()
        },
        served_name: MODEL.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 0,
        seed: 0,
        work_dir: FOLDER.into(),
        max_concurrency: None,
    })
}

fn asked(planned: Planned) -> Starts {
    let plan = match planned {
        Planned::Known(starts) => return starts,
        Planned::Command(plan) => plan,
    };
    let program = &plan.command[0];
    let place = ask::find_as_launched(program);
    let program = ask::at(program, place, &["--version"], ENGINE_LIMIT);
    let package = plan.package.as_ref();
    Starts::Program {
        command: command_text(&plan, &[], &Secrets::of_environment()),
        shown: shown(&plan.command),
        packages: package.and_then(|package| packages(&program, package)),
        package: package.map(|package| package.name.clone()),
        program,
    }
}

/// How a command begins, up to its first option or the model.
fn shown(command: &[String]) -> String {
    let is_long = |word: &&String| word.starts_with("--") || *word == MODEL;
    let words = command.iter().take_while(|word| !is_long(word));
    let short = words.map(|word| match word.strip_prefix(FOLDER) {
        Some(file) => file.trim_start_matches('/'),
        None => word,
    });
    short.collect::<Vec<_>>().join(" ")
}

/// The packages of a Python that is started as such; any other program
/// reports its version itself.
fn packages(program: &ToolFacts, package: &PythonPackage) -> Option<Vec<Package>> {
    let ProgramPath::At { path } = &program.place else {
        return None;
    };
    packages_at(Path::new(path), package)
}

/// The same for the program at `path`.
pub(super) fn packages_at(path: &Path, package: &PythonPackage) -> Option<Vec<Package>> {
    let file = path.file_name()?.to_str()?;
    if !file.starts_with("python") {
        return None;
    }
    let requirements = std::iter::once(&package.name).chain(&package.with);
    let names: Vec<&str> = requirements.map(|text| distribution(text)).collect();
    let mut arguments = vec!["-c", PACKAGE_VERSIONS];
    arguments.extend(&names);
    match ask::run(path, &arguments, ENGINE_LIMIT) {
        ProgramEnd::Ended {
            success: true, out, ..
        } => Some(names.iter().map(|name| package_in(&out, name)).collect()),
        _ => None,
    }
}

fn package_in(output: &str, name: &str) -> Package {
    let mut lines = output.lines().filter_map(|line| line.split_once(' '));
    let version = lines
        .find(|(found, _)| *found == name)
        .map(|(_, version)| version);
    Package {
        name: name.to_owned(),
        found: version.is_some(),
        version: version.map(|version| version.chars().filter(|c| !c.is_control()).collect()),
    }
}

/// The name in a requirement: `llama-cpp-python` of `llama-cpp-python[server]>=1`.
fn distribution(requirement: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = requirement
        .find(|c| !is_name(c))
        .unwrap_or(requirement.len());
    &requirement[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_is_shown_up_to_its_first_option_or_the_model() {
        let module = words(&[
            "python3",
            "-m",
            "sglang.launch_server",
            "--model-path",
            "MODEL",
        ]);
        assert_eq!(shown(&module), "python3 -m sglang.launch_server");
        let script = words(&["python3", "RUN_FOLDER/server.py", "--model", "MODEL"]);
        assert_eq!(shown(&script), "python3 server.py");
        assert_eq!(
            shown(&words(&["vllm", "serve", "MODEL", "x"])),
            "vllm serve"
        );
    }

    #[test]
    fn a_requirement_begins_with_the_name_of_its_distribution() {
        assert_eq!(distribution("torch>=2.8"), "torch");
        assert_eq!(distribution("llama-cpp-python[server]"), "llama-cpp-python");
        assert_eq!(distribution("vllm"), "vllm");
    }

    #[test]
    fn a_package_that_is_not_listed_is_not_there() {
        let output = "noise\ntorch 2.9.0+cu128\n";
        assert_eq!(
            package_in(output, "torch").version.as_deref(),
            Some("2.9.0+cu128")
        );
        assert!(!package_in(output, "transformers").found);
    }
}
