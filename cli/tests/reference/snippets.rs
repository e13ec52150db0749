//! Every piece of a config that the texts show is one that the program takes, with
//! options that its plugins have.

use inferbench_model::config;
use serde_json::{Map, Value, json};

use super::blocks::{Block, all_blocks};
use super::options::{description, shipped};

/// What a block of YAML says; a whole file that it includes is read.
fn content(block: &Block) -> String {
    match block.text.trim().strip_prefix("{{#include ") {
        Some(path) => {
            let path = path.trim_end_matches("}}").trim();
            std::fs::read_to_string(block.file.parent().unwrap().join(path)).unwrap()
        }
        None => block.text.clone(),
    }
}

/// A piece of a config, completed to a whole one; `None` if it is no config.
pub(super) fn whole(block: &str) -> Option<Map<String, Value>> {
    let value: Value = serde_yaml::from_str(block).unwrap();
    let mut keys = match value {
        Value::Array(backends) => Map::from_iter([("backends".to_owned(), backends.into())]),
        // A workflow of a CI service.
        Value::Object(keys) if keys.contains_key("jobs") => return None,
        Value::Object(keys) => keys,
        _ => return None,
    };
    let rest = [
        ("name", json!("snippet")),
        ("model", json!({"id": "no-model"})),
        ("backends", json!([{"plugin": "sim"}])),
        ("load", json!({"concurrency": [1], "requests": 1})),
    ];
    for (key, value) in rest {
        keys.entry(key).or_insert(value);
    }
    Some(keys)
}

/// What is wrong with a config; `None` if nothing is.
fn fault(keys: &Map<String, Value>, schemas: &[(&str, Value)]) -> Option<String> {
    let text = serde_yaml::to_string(keys).unwrap();
    let loaded = match config::load("snippet", &text, &|_| None) {
        Ok(loaded) => loaded,
        Err(errors) => return Some(format!("{}", errors[0])),
    };
    loaded.config.backends.iter().find_map(|backend| {
        let (_, schema) = schemas.iter().find(|(name, _)| *name == backend.plugin)?;
        let options = Value::Object(backend.options.clone());
        let error = jsonschema::validate(schema, &options).err()?;
        Some(format!("options of {}: {error}", backend.plugin))
    })
}

#[test]
fn every_piece_of_a_config_in_the_texts_is_taken() {
    let shipped = shipped();
    let schemas = shipped
        .iter()
        .map(|name| (name.as_str(), description(name)["options_schema"].clone()));
    let schemas: Vec<(&str, Value)> = schemas.collect();
    let mut checked = 0;
    let mut faults = Vec::new();
    for block in all_blocks(&["yaml"]) {
        let text = content(&block);
        let Some(keys) = whole(&text) else {
            continue;
        };
        checked += 1;
        let found = fault(&keys, &schemas);
        faults.extend(found.map(|fault| format!("{}: {fault}\n{text}", block.place())));
    }
    assert_eq!(faults, [""; 0]);
    assert!(checked > 20, "{checked} pieces are too few to be all");
}

#[test]
fn a_key_and_an_option_that_do_not_exist_are_found() {
    let schemas = [("vllm", description("vllm")["options_schema"].clone())];
    let fault_of = |block: &str| fault(&whole(block).unwrap(), &schemas);
    assert_eq!(fault_of("- plugin: vllm\n"), None);
    assert!(fault_of("repeets: 3\n").unwrap().contains("repeets"));
    let option = fault_of("- plugin: vllm\n  options: { max_seqs: 3 }\n");
    assert!(option.unwrap().contains("max_seqs"));
}
