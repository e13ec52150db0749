//! The options of plugins, from their own schemas: as facts, and as a page of the book.

use serde_json::Value;

/// One option of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginOption {
    /// Its key; of an option within another one, both with a dot between them.
    pub name: String,
    /// Its type in a word or two: `number`, `list of string`, `a | b`.
    pub kind: String,
    /// Its unit; empty if it has none.
    pub unit: String,
    /// Its default, as JSON; empty if it has none.
    pub default: String,
    /// What it does.
    pub meaning: String,
}

/// The options that a schema describes, in its order.
#[must_use]
pub fn plugin_options(schema: &Value) -> Vec<PluginOption> {
    options_within("", schema, schema)
}

/// A plugin, as far as its page of options shows it.
#[derive(Debug, Clone)]
pub struct PluginOptions {
    /// Name of the plugin.
    pub name: String,
    /// What it is, in a line.
    pub summary: String,
    /// JSON Schema of its options.
    pub schema: Value,
}

/// The page of the book with every option of these plugins.
#[must_use]
pub fn reference(plugins: &[PluginOptions]) -> String {
    let mut page = String::from(
        "# Plugin options\n\n\
         What may stand under `options` of a backend, for each plugin that comes with InferBench. \
         `inferbench plugins show NAME` prints the same, for plugins of yours too. An option that is \
         left out and has no default is left to the server.\n\n\
         This page is made from the plugins' own schemas.\n",
    );
    for plugin in plugins {
        page.push_str(&format!(
            "\n## {}\n\n{}.\n\n| Option | Type | Default | What it does |\n|---|---|---|---|\n",
            plugin.name,
            plugin.summary.trim_end_matches('.')
        ));
        for option in plugin_options(&plugin.schema) {
            let kind = match option.unit.as_str() {
                "" => option.kind,
                unit => format!("{}, {unit}", option.kind),
            };
            let default = match option.default.as_str() {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let cells = [kind, default, option.meaning];
            let [kind, default, meaning] = cells.map(|cell| cell.replace('|', "\\|"));
            page.push_str(&format!(
                "| `{}` | {kind} | {default} | {meaning} |\n",
                option.name
            ));
        }
    }
    page
}

fn options_within(before: &str, schema: &Value, root: &Value) -> Vec<PluginOption> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut found = Vec::new();
    for (key, option) in properties.into_iter().flatten() {
        let name = format!("{before}{key}");
        found.push(PluginOption {
            name: name.clone(),
            kind: type_of(option, root),
            unit: unit_of(key, option),
            default: words_of(option, "default"),
            meaning: words_of(option, "description"),
        });
        if let Some(object) = object_of(option, root) {
            found.extend(options_within(&format!("{name}."), object, root));
        }
    }
    found
}

/// The schema of an object with keys of its own, if the option is one or may be one.
fn object_of<'a>(option: &'a Value, root: &'a Value) -> Option<&'a Value> {
    if option.get("properties").is_some() {
        return Some(option);
    }
    if let Some(reference) = option.get("$ref").and_then(Value::as_str) {
        return object_of(root.pointer(reference.trim_start_matches('#'))?, root);
    }
    let choices = option.get("anyOf").and_then(Value::as_array)?;
    choices.iter().find_map(|choice| object_of(choice, root))
}

/// A value of a schema on one line; empty if there is none.
fn words_of(option: &Value, key: &str) -> String {
    match option.get(key) {
        Some(Value::String(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
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
