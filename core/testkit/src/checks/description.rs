//! Checks of what a plugin reports about itself.

use serde_json::{Map, Value, json};

use super::{Outcome, Subject, must, no_panic, open, words};

pub(super) fn description_is_complete(subject: &Subject) -> Outcome {
    let description = &subject.description;
    let can = &description.capabilities;
    must(!description.version.is_empty(), "no version")?;
    must(!description.summary.is_empty(), "no summary")?;
    must(
        !description.summary.contains('\n'),
        "summary has several lines",
    )?;
    let name = &description.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    must(
        name.chars().all(plain),
        format!("name `{name}` must be of a-z, 0-9, `-` and `_`"),
    )?;
    must(
        can.can_launch || can.can_attach || can.in_process,
        "can neither launch, attach nor generate in the process",
    )?;
    must(
        can.in_process || !can.endpoints.is_empty(),
        "names no endpoint",
    )
}

fn properties(subject: &Subject) -> Result<&Map<String, Value>, String> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let schema = &subject.description.options_schema;
    must(
        schema.get("type").and_then(Value::as_str) == Some("object"),
        "schema is not of type object",
    )?;
    match schema.get("properties") {
        Some(Value::Object(properties)) => Ok(properties),
        None => Ok(&NONE),
        Some(_) => Err("`properties` of the schema is not an object".to_owned()),
    }
}

pub(super) fn schema_explains(subject: &Subject) -> Outcome {
    for (name, property) in properties(subject)? {
        let description = property.get("description").and_then(Value::as_str);
        let explained = description.is_some_and(|text| !text.trim().is_empty());
        must(explained, format!("option `{name}` has no description"))?;
    }
    let closed = subject.description.options_schema["additionalProperties"] == json!(false);
    must(
        closed,
        "schema allows unknown options: set additionalProperties to false",
    )
}

pub(super) fn schema_takes_defaults(subject: &Subject) -> Outcome {
    let mut options = Map::new();
    for (name, property) in properties(subject)? {
        if let Some(default) = property.get("default") {
            options.insert(name.clone(), default.clone());
        }
    }
    options.extend(subject.options.clone());
    open(subject.module, &subject.name, &options)
        .map(drop)
        .map_err(words)
}

pub(super) fn unknown_option_refused(subject: &Subject) -> Outcome {
    let mut options = subject.options.clone();
    options.insert("no_such_option".to_owned(), json!(1));
    let opened = open(subject.module, &subject.name, &options);
    must(
        no_panic("open", opened)?.is_none(),
        "opened with `no_such_option`",
    )
}

pub(super) fn capabilities_fit(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let resets = !subject.client.reset().map_err(words)?.is_empty();
    must(
        can.can_reset_prefix_cache == resets,
        format!(
            "can_reset_prefix_cache is {}, reset has requests: {resets}",
            can.can_reset_prefix_cache
        ),
    )?;
    let metrics = subject.client.probes().map_err(words)?.metrics.is_some();
    must(
        can.exposes_metrics == metrics,
        format!(
            "exposes_metrics is {}, there is a metrics probe: {metrics}",
            can.exposes_metrics
        ),
    )
}
