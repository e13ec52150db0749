//! The generated pages of the book say what the program says, and the commands
//! that the texts name exist.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "reference/blocks.rs"]
mod blocks;
#[path = "reference/cli.rs"]
mod cli;
#[path = "reference/commands.rs"]
mod commands;
mod common;
#[path = "reference/environment.rs"]
mod environment;
#[path = "reference/fields.rs"]
mod fields;
#[path = "reference/links.rs"]
mod links;
#[path = "reference/messages.rs"]
mod messages;
#[path = "reference/options.rs"]
mod options;
#[path = "reference/samples.rs"]
mod samples;
#[path = "reference/shell.rs"]
mod shell;
#[path = "reference/snippets.rs"]
mod snippets;
#[path = "reference/terms.rs"]
mod terms;
#[path = "reference/thresholds.rs"]
mod thresholds;
#[path = "reference/written.rs"]
mod written;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::CommandFactory;
use common::repository;
use inferbench::args::Args;
use inferbench_model::cell::row;
use inferbench_model::doctor::Group;
use inferbench_model::facts::{crash_cause, failure_reason, warning};
use inferbench_model::{config, metrics, report};
use serde_json::Value;

/// Whether pages are to be written anew, by `INFERBENCH_BLESS=1`.
fn is_blessing() -> bool {
    std::env::var_os("INFERBENCH_BLESS").is_some_and(|value| value == "1")
}

/// Compares a generated page with what it should be; with `INFERBENCH_BLESS=1`
/// writes it instead.
fn check(name: &str, generated: &str) {
    let path = repository().join("docs/src/reference").join(name);
    if is_blessing() {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let same = stored == generated;
    assert!(
        same,
        "docs/src/reference/{name} is out of date: run `INFERBENCH_BLESS=1 cargo test -p inferbench --test reference` and commit it"
    );
}

fn pretty(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_page_of_metrics_is_that_of_the_registered_metrics() {
    check("metrics.md", &metrics::reference());
}

#[test]
fn the_page_of_failure_reasons_is_the_closed_list() {
    check("failure-reasons.md", &failure_reason::reference());
}

#[test]
fn the_page_of_warnings_is_the_table_of_codes() {
    check("warnings.md", &warning::reference());
}

#[test]
fn the_page_of_known_causes_is_the_table_that_is_searched() {
    check("known-causes.md", &crash_cause::reference());
}

#[test]
fn the_stored_schemas_are_those_of_the_types() {
    check("config.schema.json", &pretty(&config::schema()));
    check("cells.schema.json", &pretty(&row::schema()));
    check("report.schema.json", &pretty(&report::schema()));
}

/// Every text for people: README, CONTRIBUTING, the book's pages, the plugins' pages.
fn texts() -> Vec<(PathBuf, String)> {
    let mut folders = vec![repository().join("docs/src"), repository().join("plugins")];
    let mut files = vec![
        repository().join("README.md"),
        repository().join("CONTRIBUTING.md"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files.into_iter().map(read).collect()
}

/// The commands in a text: what follows `inferbench ` inside backticks or at the
/// start of a shell line.
fn named_commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices("inferbench ") {
        let before = text[..start].chars().next_back();
        let is_command = matches!(before, Some('`' | '\n' | '/')) || text[..start].ends_with("$ ");
        let word = text[start..].split_whitespace().nth(1).unwrap_or_default();
        let word = word.split('`').next().unwrap_or_default();
        if is_command && !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()) {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn every_command_that_a_text_names_exists() {
    let program = Args::command();
    let known: BTreeSet<&str> = program.get_subcommands().map(|c| c.get_name()).collect();
    let mut seen = BTreeSet::new();
    for (path, text) in texts() {
        for command in named_commands(&text) {
            assert!(
                known.contains(command.as_str()),
                "{} names `inferbench {command}`, which does not exist",
                path.display()
            );
            seen.insert(command);
        }
    }
    assert!(seen.contains("run"), "the texts name no command at all");
}

#[test]
fn the_page_of_the_config_names_every_key() {
    let page = std::fs::read_to_string(repository().join("docs/src/reference/config.md")).unwrap();
    let schema = config::schema();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for object in objects {
        for key in object["properties"].as_object().into_iter().flatten() {
            let key = key.0;
            assert!(page.contains(&format!("`{key}`")), "config.md lacks {key}");
        }
    }
}

#[test]
fn the_page_of_the_doctor_names_every_group() {
    let page = std::fs::read_to_string(repository().join("docs/src/guides/doctor.md")).unwrap();
    for group in Group::ALL {
        let word = serde_json::to_value(group).unwrap();
        let word = word.as_str().unwrap();
        assert!(
            page.contains(&format!("`{word}`")),
            "doctor.md lacks {word}"
        );
    }
}

/// Keys of a schema whose default is a number, a word, or true or false.
fn defaults(schema: &Value, found: &mut Vec<(String, String)>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, property) in properties.into_iter().flatten() {
        let default = match property.get("default") {
            Some(Value::String(word)) => word.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => continue,
        };
        found.push((key.clone(), default));
    }
    match schema {
        Value::Object(keys) => keys.values().for_each(|inner| defaults(inner, found)),
        Value::Array(items) => items.iter().for_each(|inner| defaults(inner, found)),
        _ => {}
    }
}

#[test]
fn the_page_of_the_config_has_every_default() {
    let page = std::fs::read_to_string(repository().join("docs/src/reference/config.md")).unwrap();
    let rows: Vec<Vec<&str>> = page.lines().map(|row| row.split('|').collect()).collect();
    let mut found = Vec::new();
    defaults(&config::schema(), &mut found);
    assert!(found.len() > 15, "{found:?} are too few to be all");
    for (key, default) in found {
        let mut cells = rows.iter().filter(|row| row.len() > 3);
        let is_there = cells.any(|row| {
            let shown = row[2].trim().trim_matches(['`', '"']);
            row[1].contains(&format!("`{key}`")) && shown == default
        });
        assert!(
            is_there,
            "config.md has no row of `{key}` with the default {default}"
        );
    }
}
