//! What a plugin says of itself, changed in every way: it is understood or refused, and
//! options are checked against its schema or the schema is named as wrong. Nothing panics
//! or hangs. `PROPTEST_CASES` sets how many are tried.

use std::time::{Duration, Instant};

use inferbench_model::config::{load, options_errors};
use inferbench_plugin_api::Description;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Longest time for one description, in a build without optimisation.
const LIMIT: Duration = Duration::from_secs(5);

const CONFIG: &str = r#"
name: a
model: { id: m }
backends:
  - plugin: p
    options: { command: [a, "{port}"], step_base_us: 4, headers: { A: b }, x-free: [1], scheduler: none }
load: { concurrency: [1], requests: 1 }
"#;

/// Places in a value, each as a JSON pointer.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    let step = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &step(&index.to_string()), into);
            }
        }
        Value::Object(map) => {
            for (name, inner) in map {
                places(inner, &step(name), into);
            }
        }
        _ => {}
    }
}

/// What a part of a description may become.
fn odd_value() -> impl Strategy<Value = Value> {
    let deep = (0..200).fold(
        json!({"type": "object"}),
        |inner, _| json!({"properties": {"command": inner}}),
    );
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(18446744073709551615_u64),
        json!(""),
        json!("#"),
        json!("\u{1b}[2J\u{202e}"),
        json!("x".repeat(100_000)),
        json!([]),
        json!({}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/properties/command"}),
        json!({"$ref": "https://example.org/schema.json"}),
        json!({"$ref": "#/no/such/place"}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"pattern": "(a+)+$"}),
        json!({"pattern": "("}),
        json!({"multipleOf": 0}),
        json!({"enum": []}),
        json!({"type": "no-type"}),
        json!({"minItems": -5, "maxItems": 1e300}),
        deep,
    ])
}

/// The descriptions of all plugins that are built.
fn known() -> Vec<Value> {
    let plugins = crate::common::host().plugins();
    let known = plugins.map(|plugin| serde_json::to_value(&plugin.description).unwrap());
    known.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_changed_description_is_understood_or_refused(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), odd_value()), 1..4)
    ) {
        let known = known();
        let mut description = which.get(&known).clone();
        for (at, to) in changes {
            let mut all = Vec::new();
            places(&description, "", &mut all);
            let place: &String = at.get(&all);
            let place = description.pointer_mut(place).unwrap();
            *place = to;
        }
        let began = Instant::now();
        // It crosses the boundary as text.
        let text = description.to_string();
        if let Ok(description) = serde_json::from_str::<Description>(&text) {
            let loaded = load("c.yaml", CONFIG, &|_| None).unwrap();
            let errors = options_errors(&loaded.tree, 0, &description.options_schema);
            errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
            prop_assert!(description.capabilities.words().len() < 100_000);
        }
        prop_assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    }
}
