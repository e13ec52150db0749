//! Checks a backend's options against its plugin's JSON Schema. `jsonschema`
//! finds what is wrong; this adds line, column and plain words.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::paths::Location;
use serde_json::Value;

use super::schema_cycle;
use super::wording::{Form, allowed, bare, one_of, shown, type_name};
use crate::text::nearest::nearest;
use crate::text::number::counted;
use crate::yaml::{Kind, Mark, Node, PathStep, YamlError, dotted};

/// Everything wrong with the options of the backend at `backend_index`, in the
/// order of the text; empty if nothing is, or if there is no such backend.
///
/// `tree`: the whole config. `schema`: JSON Schema of the plugin's options; it
/// refers to nothing outside itself. Option names that begin with `x-` are free.
#[must_use]
pub fn options_errors(tree: &Node, backend_index: usize, schema: &Value) -> Vec<YamlError> {
    let backend = vec![
        PathStep::Key("backends".to_owned()),
        PathStep::Index(backend_index),
    ];
    let Some(entry) = tree.get(&backend) else {
        return Vec::new();
    };
    let step = |key: &str| [backend.clone(), vec![PathStep::Key(key.to_owned())]].concat();
    let options = match entry.get(&[PathStep::Key("options".to_owned())]) {
        None => Value::Object(serde_json::Map::new()),
        Some(node) => match node.to_json() {
            Ok(options) => options,
            Err(error) => return vec![below(&step("options"), error)],
        },
    };
    if let Some(place) = schema_cycle::find(schema) {
        let fact = format!(
            "names a plugin whose schema of options is not valid: `{place}` refers to itself or to another document"
        );
        return vec![tree.error_at(&step("plugin"), fact, None)];
    }
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => {
            let fact = format!("names a plugin whose schema of options is not valid: {error}");
            return vec![tree.error_at(&step("plugin"), fact, None)];
        }
    };
    let checked = Checked {
        tree,
        schema,
        at: step("options"),
        plugin: plugin_of(entry),
    };
    let mut errors = Vec::new();
    for error in validator.iter_errors(&options) {
        checked.report(&error, &mut errors);
    }
    errors.sort_by_key(|error| (error.line, error.column));
    errors
}

fn plugin_of(entry: &Node) -> Option<String> {
    match &entry.get(&[PathStep::Key("plugin".to_owned())])?.kind {
        Kind::Scalar { text, .. } => Some(text.to_string()),
        _ => None,
    }
}

/// An error of a part of the tree, its path led down from the root.
fn below(prefix: &[PathStep], error: YamlError) -> YamlError {
    let short = format!("`{}`", error.path);
    let path = format!("{}.{}", dotted(prefix), error.path);
    let message = error.message.replacen(&short, &format!("`{path}`"), 1);
    YamlError {
        path,
        message,
        ..error
    }
}

/// The options that are checked, and their path.
struct Checked<'a> {
    tree: &'a Node,
    schema: &'a Value,
    /// Path of the options.
    at: Vec<PathStep>,
    plugin: Option<String>,
}

impl Checked<'_> {
    fn report(&self, error: &ValidationError<'_>, into: &mut Vec<YamlError>) {
        let path = self.path_of(error.instance_path());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let free = |key: &str| path == self.at && key.starts_with("x-");
                let keys = unexpected.iter().filter(|key| !free(key));
                into.extend(keys.map(|key| self.unknown(&path, key, error)));
            }
            ValidationErrorKind::Required { property } => {
                let mut path = path;
                path.push(PathStep::Key(
                    property.as_str().unwrap_or_default().to_owned(),
                ));
                into.push(self.tree.error_at(&path, "is missing", self.show_hint()));
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                self.report_branches(error, context, into);
            }
            kind => {
                let (fact, hint) = fact(kind, error);
                into.push(self.tree.error_at(&path, fact, hint));
            }
        }
    }

    /// Of several forms, none of which fits: names all the allowed values, or
    /// what is wrong inside the one form that was meant.
    fn report_branches(
        &self,
        error: &ValidationError<'_>,
        branches: &[Vec<ValidationError<'static>>],
        into: &mut Vec<YamlError>,
    ) {
        let outside = |e: &ValidationError<'_>| e.instance_path() == error.instance_path();
        let wrong_form = |branch: &&Vec<ValidationError<'static>>| {
            branch.iter().any(|e| outside(e) && is_form(e.kind()))
        };
        let meant: Vec<_> = branches.iter().filter(|b| !wrong_form(b)).collect();
        if let [branch] = &meant[..] {
            branch.iter().for_each(|error| self.report(error, into));
            return;
        }
        let mut forms = Vec::new();
        for inner in branches.iter().flatten().filter(|e| outside(e)) {
            forms.extend(allowed(inner.kind()));
        }
        let path = self.path_of(error.instance_path());
        forms.dedup();
        let found = shown(error.instance());
        let fact = match forms.is_empty() {
            true => format!("is {found}, which is none of the allowed forms"),
            false => format!("is {found}, must be {}", one_of(&forms)),
        };
        let hint = did_you_mean(error, &forms);
        into.push(self.tree.error_at(&path, fact, hint));
    }

    fn unknown(&self, map: &[PathStep], key: &str, error: &ValidationError<'_>) -> YamlError {
        let known = self.known_keys(error.schema_path());
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let (limit, hint) = match nearest(key, names.iter().copied()) {
            Some(name) => (format!(", did you mean `{name}`?"), None),
            None => (String::new(), self.show_hint()),
        };
        let home = dotted(map);
        let path = [map, &[PathStep::Key(key.to_owned())]].concat();
        let mark = self.tree.locate(&path).unwrap_or(self.tree.mark);
        let Mark { line, column } = mark;
        YamlError {
            file: self.tree.file().to_owned(),
            line,
            column,
            path: dotted(&path),
            message: format!("unknown option `{key}` in `{home}`{limit}"),
            hint,
        }
    }

    fn show_hint(&self) -> Option<String> {
        let plugin = self.plugin.as_ref()?;
        Some(format!(
            "`inferbench plugins show {plugin}` lists the options"
        ))
    }

    /// Names under `properties` beside the keyword at `keyword`.
    fn known_keys(&self, keyword: &Location) -> Vec<String> {
        let pointer = keyword.as_str();
        let owner = pointer.rsplit_once('/').map_or("", |(owner, _)| owner);
        let mut keys = Vec::new();
        if let Some(schema) = self.schema.pointer(owner) {
            self.collect_keys(schema, 0, &mut keys);
        }
        keys
    }

    fn collect_keys(&self, schema: &Value, depth: usize, keys: &mut Vec<String>) {
        /// Flattened structs nest; a schema that refers to itself ends here.
        const DEEPEST: usize = 8;
        if depth > DEEPEST {
            return;
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            keys.extend(properties.keys().cloned());
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(target) = reference
            .and_then(|text| text.strip_prefix('#'))
            .and_then(|pointer| self.schema.pointer(pointer))
        {
            self.collect_keys(target, depth + 1, keys);
        }
        for part in ["allOf", "anyOf", "oneOf"] {
            let schemas = schema.get(part).and_then(Value::as_array);
            for inner in schemas.into_iter().flatten() {
                self.collect_keys(inner, depth + 1, keys);
            }
        }
    }

    /// The path of an instance location, from the root of the config.
    fn path_of(&self, location: &Location) -> Vec<PathStep> {
        let mut path = self.at.clone();
        for segment in location {
            let text = segment.to_string();
            let in_list = self
                .tree
                .get(&path)
                .is_some_and(|node| matches!(node.kind, Kind::Sequence(_)));
            path.push(match text.parse::<usize>() {
                Ok(index) if in_list => PathStep::Index(index),
                _ => PathStep::Key(text),
            });
        }
        path
    }
}

/// Whether the value has not the form that was asked for at all, so that
/// another form was meant.
fn is_form(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::Type { .. }
            | ValidationErrorKind::Constant { .. }
            | ValidationErrorKind::Enum { .. }
            | ValidationErrorKind::FalseSchema
    )
}

/// Fact with limit, and a hint.
fn fact(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> (String, Option<String>) {
    use ValidationErrorKind as K;
    let found = shown(error.instance());
    let must = |limit: String| (format!("is {found}, must be {limit}"), None);
    let count = |limit: String| {
        let has = match &**error.instance() {
            Value::String(text) => counted(text.chars().count() as u64, "character"),
            Value::Array(items) => counted(items.len() as u64, "item"),
            Value::Object(map) => counted(map.len() as u64, "key"),
            other => shown(other),
        };
        (format!("has {has}, must have {limit}"), None)
    };
    match kind {
        K::Type {
            kind: TypeKind::Single(single),
        } => must(type_name(*single).to_owned()),
        K::Type { .. } | K::Enum { .. } | K::Constant { .. } => {
            let forms = allowed(kind);
            let hint = did_you_mean(error, &forms);
            (must(one_of(&forms)).0, hint)
        }
        K::Minimum { limit } => must(format!("at least {}", bare(limit))),
        K::Maximum { limit } => must(format!("at most {}", bare(limit))),
        K::ExclusiveMinimum { limit } => must(format!("above {}", bare(limit))),
        K::ExclusiveMaximum { limit } => must(format!("below {}", bare(limit))),
        K::MultipleOf { multiple_of } => must(format!("a multiple of {multiple_of}")),
        K::Pattern { pattern } => must(format!("of the form {pattern}")),
        K::MinLength { limit } | K::MinItems { limit } | K::MinProperties { limit } => {
            count(format!("{limit} or more"))
        }
        K::MaxLength { limit } | K::MaxItems { limit } | K::MaxProperties { limit } => {
            count(format!("{limit} at most"))
        }
        K::AdditionalItems { limit } => count(format!("{limit} at most")),
        K::UniqueItems => (
            "lists an item twice, each must be listed once".to_owned(),
            None,
        ),
        other => (
            format!(
                "is {found}, refused by `{}` of the plugin's schema",
                other.keyword()
            ),
            None,
        ),
    }
}

fn did_you_mean(error: &ValidationError<'_>, forms: &[Form]) -> Option<String> {
    let names = forms.iter().filter_map(Form::name);
    let name = nearest(error.instance().as_str()?, names)?;
    Some(format!("did you mean `{name}`?"))
}
