//! `plugins`: the list of plugins, and the options of one.

use std::time::Duration;

use inferbench_engine::plugins::host::{Found, PluginHost};
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::store::hash::file_sha256;
use inferbench_model::text::visible::visible_line;
use inferbench_plugin_api::Description;
use serde_json::{Value, json};

use super::check::CheckArgs;
use super::output::{new_table, print_json, width};
use crate::args::{OutputArgs, PluginAction};
use crate::exit::{CliError, Code};
use crate::render::options::plugin_options;
use crate::table::wrapped_at;

pub(super) fn plugins(
    action: Option<PluginAction>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    match action {
        Some(PluginAction::Show { name }) => show(&PluginHost::load(search), &name, output),
        Some(PluginAction::New {
            name,
            flavour,
            path,
            api_path,
        }) => Ok(super::new::new(
            &name,
            flavour,
            path.as_deref(),
            api_path.as_deref(),
        )?),
        Some(PluginAction::Check {
            file,
            exchanges,
            time_limit,
        }) => super::check::check(
            CheckArgs {
                file,
                exchanges,
                limit: Duration::from_secs(time_limit),
                trust_dir: search.trust_dirs,
            },
            output,
        ),
        None => list(&PluginHost::load(search), output),
    }
}

fn list(host: &PluginHost, output: OutputArgs) -> Result<Code, CliError> {
    let rows: Vec<Value> = host.found.iter().flat_map(json_rows).collect();
    if output.json {
        print_json(&rows)?;
        return Ok(Code::Done);
    }
    if rows.is_empty() {
        println!("no plugins found");
        return Ok(Code::Done);
    }
    println!("{}", listed(host, width()));
    Ok(Code::Done)
}

/// The table, no wider than `width`, and below it each file, whole on a line of its
/// own so that it can be copied.
fn listed(host: &PluginHost, width: usize) -> String {
    let mut table = new_table(width);
    table.set_header(["name", "version", "api", "can"]);
    let mut files = Vec::new();
    for found in &host.found {
        let file = found.file.display();
        match &found.outcome {
            Ok(loaded) => {
                for backend in &loaded.backends {
                    table.add_row([
                        backend.name.clone(),
                        backend.version.clone(),
                        loaded.api.clone(),
                        words(backend),
                    ]);
                }
                let names: Vec<&str> = loaded.backends.iter().map(|b| b.name.as_str()).collect();
                files.push(format!("{}: {file}", names.join(", ")));
            }
            Err(refusal) => files.push(format!("refused: {file}: {refusal}")),
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    let files = files.iter().map(|line| visible_line(line).into_owned());
    lines.chain(files).collect::<Vec<_>>().join("\n")
}

fn words(backend: &Description) -> String {
    let mut words = backend.capabilities.words();
    if backend.simulated {
        words.insert(0, "simulated".to_owned());
    }
    words.join(", ")
}

fn json_rows(found: &Found) -> Vec<Value> {
    let file = found.file.display().to_string();
    match &found.outcome {
        Ok(loaded) => loaded
            .backends
            .iter()
            .map(|backend| {
                json!({
                    "state": "ok",
                    "name": backend.name,
                    "version": backend.version,
                    "summary": backend.summary,
                    "simulated": backend.simulated,
                    "api": loaded.api,
                    "rustc": loaded.rustc,
                    "sha256": file_sha256(&found.file),
                    "capabilities": backend.capabilities,
                    "file": file,
                    "origin": found.origin,
                })
            })
            .collect(),
        Err(refusal) => vec![json!({
            "state": "refused",
            "reason": refusal.to_string(),
            "file": file,
            "origin": found.origin,
        })],
    }
}

fn show(host: &PluginHost, name: &str, output: OutputArgs) -> Result<Code, CliError> {
    let Some(plugin) = host.get(name) else {
        let known: Vec<&str> = host.names().collect();
        return Err(CliError::NoPlugin {
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    if output.json {
        print_json(&plugin.description)?;
        return Ok(Code::Done);
    }
    let description = &plugin.description;
    println!("{} {}", description.name, description.version);
    println!("{}", description.summary);
    println!("can: {}", words(description));
    println!("plugin API: {}", plugin.api);
    println!("file: {}", plugin.file.display());
    println!("\noptions:");
    for line in option_lines(&description.options_schema, width()) {
        println!("{line}");
    }
    Ok(Code::Done)
}

/// Each option: name, type, unit and default, and below them its description.
fn option_lines(schema: &Value, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for option in plugin_options(schema) {
        let mut facts = vec![option.kind, option.unit];
        facts.push(match option.default.as_str() {
            "" => String::new(),
            default => format!("default {default}"),
        });
        facts.retain(|fact| !fact.is_empty());
        let head = format!("{}: {}", option.name, facts.join(", "));
        lines.push(String::new());
        lines.extend(wrapped_at(width, &head, "    "));
        let meaning = wrapped_at(width.saturating_sub(4), &option.meaning, "");
        lines.extend(meaning.iter().map(|line| format!("    {line}")));
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines
}
