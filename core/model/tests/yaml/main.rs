//! YAML from outside: what loads, what is refused, and in which words.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod known_traps;
mod properties;
mod syntax;
mod typed;

use std::collections::BTreeMap;

use inferbench_model::yaml::{self, Mark, Node, PathStep, YamlError};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Bench {
    model: String,
    load: Load,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Load {
    requests: u16,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    range: Option<(f64, f64)>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Closed,
    Constant,
    Gamma(f64),
    Normal {
        mean: f64,
        std: f64,
    },
}

fn env(name: &str) -> Option<String> {
    match name {
        "N" => Some("64".to_owned()),
        "WORD" => Some("many".to_owned()),
        "NOTHING" => Some(String::new()),
        _ => None,
    }
}

fn load<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    yaml::from_str("b.yaml", text, &env)
}

fn tree(text: &str) -> Node {
    yaml::parse("b.yaml", text, &env).unwrap()
}

fn json_of(text: &str) -> Value {
    tree(text).to_json().unwrap()
}

#[track_caller]
fn refuses<T: DeserializeOwned + std::fmt::Debug>(text: &str, message: &str) -> Option<String> {
    let error = load::<T>(text).unwrap_err();
    assert_eq!(error.to_string(), message, "for {text:?}");
    error.hint
}

fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}
