//! `plugins`: the list of plugins, and the options of one.

use std::time::Duration;

use inferbench_engine::plugins::host::{Found, PluginHost, SearchPath};
use inferbench_engine::store::hash::file_sha256;
use inferbench_model::text::visible::visible_line;
use inferbench_plugin_api::Description;
use serde_json::{Value, json};

use super::check::CheckArgs;
use super::output::{new_table, print_json, width};
use crate::args::{OutputArgs, PluginAction};
use crate::exit::{CliError, Code};
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
    let properties = schema.get("properties").and_then(Value::as_object);
    let text = |option: &Value, key: &str| match option.get(key) {
        Some(Value::String(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let mut lines = Vec::new();
    for (name, option) in properties.into_iter().flatten() {
        let mut facts = vec![type_of(option, schema), unit_of(name, option)];
        let default = text(option, "default");
        facts.push(if default.is_empty() {
            default
        } else {
            format!("default {default}")
        });
        facts.retain(|fact| !fact.is_empty());
        let head = format!("{name}: {}", facts.join(", "));
        lines.push(String::new());
        lines.extend(wrapped_at(width, &head, "    "));
        let meaning = wrapped_at(width.saturating_sub(4), &text(option, "description"), "");
        lines.extend(meaning.iter().map(|line| format!("    {line}")));
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines
}

/// The unit of an option: `unit` in its schema, else by the end of its name; empty
/// if there is none.
fn unit_of(name: &str, option: &Value) -> String {
    if let Some(unit) = option.get("unit").and_then(Value::as_str) {
        return unit.to_owned();
    }
    let ends = [
        ("_us_per_token", "us/token"),
        ("_per_s", "1/s"),
        ("_bytes", "bytes"),
        ("_tokens", "tokens"),
        ("_ns", "ns"),
        ("_us", "us"),
        ("_ms", "ms"),
        ("_s", "s"),
        ("_seconds", "s"),
    ];
    let end = ends.iter().find(|(end, _)| name.ends_with(end));
    end.map_or_else(String::new, |(_, unit)| (*unit).to_owned())
}

/// A schema's type in a word or two: `number`, `list of string`, `a | b`.
fn type_of(option: &Value, root: &Value) -> String {
    if let Some(reference) = option.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        return target.map_or_else(String::new, |target| type_of(target, root));
    }
    if let Some(constant) = option.get("const") {
        return constant
            .as_str()
            .map_or_else(|| constant.to_string(), str::to_owned);
    }
    if let Some(values) = option.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter(|value| !value.is_null());
        let names = values.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        return names.collect::<Vec<_>>().join(" | ");
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(options) = option.get(key).and_then(Value::as_array) {
            let types = options.iter().map(|option| type_of(option, root));
            let types: Vec<String> = types.filter(|t| !t.is_empty() && t != "null").collect();
            return types.join(" | ");
        }
    }
    let types: Vec<&str> = match option.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let types = types.into_iter().filter(|name| *name != "null");
    let named = types.map(|name| match name {
        "array" => {
            let item = option.get("items").map(|item| type_of(item, root));
            format!("list of {}", item.unwrap_or_else(|| "anything".to_owned()))
        }
        "object" => "map".to_owned(),
        other => other.to_owned(),
    });
    named.collect::<Vec<_>>().join(" | ")
}
