//! The page of plugins' options is made of the plugins' own schemas.

use inferbench::render::options::{PluginOptions, plugin_options, reference};
use serde_json::{Value, json};

use super::check;
use super::common::{inferbench, repository, said};

/// The plugins that come with InferBench, by name.
pub(super) fn shipped() -> Vec<String> {
    let folders = std::fs::read_dir(repository().join("plugins")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What a plugin says of itself.
pub(super) fn description(plugin: &str) -> Value {
    let shown = said(inferbench().args(["plugins", "show", plugin, "--json"]));
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    serde_json::from_str(&shown.out).unwrap()
}

fn options(plugin: &str) -> PluginOptions {
    let description = description(plugin);
    PluginOptions {
        name: plugin.to_owned(),
        summary: description["summary"].as_str().unwrap().to_owned(),
        schema: description["options_schema"].clone(),
    }
}

#[test]
fn the_page_of_plugin_options_is_that_of_the_plugins_schemas() {
    let plugins: Vec<PluginOptions> = shipped().iter().map(|name| options(name)).collect();
    for plugin in &plugins {
        for option in plugin_options(&plugin.schema) {
            let place = format!("{}: {}", plugin.name, option.name);
            assert!(!option.meaning.is_empty(), "{place} says nothing");
            assert!(!option.kind.is_empty(), "{place} has no type");
        }
    }
    check("plugin-options.md", &reference(&plugins));
}

#[test]
fn an_option_within_another_has_a_row_of_its_own() {
    let schema = json!({
        "properties": {"package": {"description": "A package.", "anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]}},
        "$defs": {"P": {"type": "object", "properties": {
            "wait_ms": {"type": "integer", "default": 5, "description": "How\n long."}}}}
    });
    let found = plugin_options(&schema);
    let names: Vec<&str> = found.iter().map(|option| option.name.as_str()).collect();
    assert_eq!(names, ["package", "package.wait_ms"]);
    let inner = &found[1];
    assert_eq!(
        (
            inner.kind.as_str(),
            inner.unit.as_str(),
            inner.default.as_str(),
            inner.meaning.as_str()
        ),
        ("integer", "ms", "5", "How long.")
    );
}
