//! The fields of a `config.json`: found under their several names, checked, and
//! missed by name.

use serde_json::{Map, Value};

use super::error::{Bad, KvError};
use crate::text::number::grouped;

/// Figures beyond this are no model's; products of a few of them still fit.
const MOST: u64 = 1 << 31;

/// Objects that a composed model keeps its text part in.
const TEXT_PARTS: [&str; 5] = [
    "text_config",
    "llm_config",
    "language_config",
    "thinker_config",
    "language_model_config",
];

/// The text part of a config, with what holds for the whole model around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a Map<String, Value>,
    whole: &'a Map<String, Value>,
    prefix: Option<&'static str>,
    defaults: &'static [(&'static str, u64)],
    /// `model_type` of the text part, or else of the whole.
    pub(super) model_type: &'a str,
}

/// Parses a `config.json`.
pub(super) fn parse(bytes: &[u8]) -> Bad<Value> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| KvError::NotJson {
        line: error.line(),
        column: error.column(),
        reason: match error.classify() {
            serde_json::error::Category::Eof => "it ends too early".to_owned(),
            _ => {
                let text = error.to_string();
                let end = text.rfind(" at line").unwrap_or(text.len());
                text[..end].to_owned()
            }
        },
    })?;
    match value {
        Value::Object(_) => Ok(value),
        other => Err(KvError::NotObject {
            found: kind(&other),
        }),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The limits of a count, for an error.
fn whole_number_from(least: u64) -> String {
    format!("a whole number from {least} to {}", grouped(MOST))
}

/// A value in an error: short, in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        _ => {
            let text = value.to_string();
            match text.char_indices().nth(40) {
                Some((at, _)) => format!("{}...", &text[..at]),
                None => text,
            }
        }
    }
}

/// The text part of a composed model's config; `None` if it has none.
pub(super) fn text_part(config: &Value) -> Option<&Value> {
    let inner = |config: &'_ Value| {
        let found = TEXT_PARTS
            .iter()
            .find(|name| config.get(**name).is_some_and(Value::is_object));
        found.copied()
    };
    let outer = config.get(inner(config)?)?;
    Some(
        inner(outer)
            .and_then(|name| outer.get(name))
            .unwrap_or(outer),
    )
}

impl<'a> Fields<'a> {
    /// The text part of `config`.
    ///
    /// # Errors
    /// `NoModelType`, or `Wrong` if it is no text.
    pub(super) fn of_text_part(config: &'a Value) -> Bad<Self> {
        let Value::Object(whole) = config else {
            return Err(KvError::NotObject {
                found: kind(config),
            });
        };
        let mut text = whole;
        let mut prefix = None;
        // `thinker_config` has its own `text_config` inside.
        for _ in 0..2 {
            let inner = TEXT_PARTS.iter().find_map(|name| match text.get(*name) {
                Some(Value::Object(inner)) => Some((*name, inner)),
                _ => None,
            });
            if let Some((name, inner)) = inner {
                (text, prefix) = (inner, Some(name));
            }
        }
        let named = text.get("model_type").or_else(|| whole.get("model_type"));
        let model_type = match named {
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(KvError::Wrong {
                    field: "model_type".to_owned(),
                    value: shown(other),
                    must: "a text".to_owned(),
                });
            }
            None => return Err(KvError::NoModelType),
        };
        Ok(Self {
            text,
            whole,
            prefix,
            defaults: &[],
            model_type,
        })
    }

    /// The same, where a field that is absent has the default of the model's class.
    pub(super) fn with_defaults(self, defaults: &'static [(&'static str, u64)]) -> Self {
        Self { defaults, ..self }
    }

    /// The fields of the object `name` inside.
    pub(super) fn inside(self, name: &'static str) -> Bad<Self> {
        match self.text.get(name) {
            Some(Value::Object(text)) => Ok(Self {
                text,
                prefix: Some(name),
                ..self
            }),
            Some(other) if !other.is_null() => Err(self.wrong(name, other, "an object")),
            _ => Err(self.missing(name)),
        }
    }

    fn path(self, name: &str) -> String {
        match self.prefix {
            Some(prefix) => format!("{prefix}.{name}"),
            None => name.to_owned(),
        }
    }

    pub(super) fn missing(self, name: &str) -> KvError {
        KvError::Missing {
            field: self.path(name),
            model_type: self.model_type.to_owned(),
        }
    }

    fn wrong(self, name: &str, value: &Value, must: &str) -> KvError {
        self.wrong_text(name, shown(value), must)
    }

    pub(super) fn wrong_text(self, name: &str, value: String, must: &str) -> KvError {
        KvError::Wrong {
            field: self.path(name),
            value,
            must: must.to_owned(),
        }
    }

    /// The value of the field, if it is there and not null.
    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.text.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there, null or not.
    pub(super) fn names(self, name: &str) -> bool {
        self.text.contains_key(name)
    }

    /// A count from 1 under the first of these names that is there; else the
    /// class's default of it.
    pub(super) fn count_if(self, names: &[&str]) -> Bad<Option<u64>> {
        for name in names {
            if let Some(value) = self.value(name) {
                let most = 1..=MOST;
                return match value.as_u64() {
                    Some(n) if most.contains(&n) => Ok(Some(n)),
                    _ => Err(self.wrong(name, value, &whole_number_from(1))),
                };
            }
        }
        let of_class = |name: &&str| self.defaults.iter().find(|(known, _)| known == name);
        Ok(names.iter().find_map(of_class).map(|(_, n)| *n))
    }

    /// A count that must be there.
    pub(super) fn count(self, names: &[&str]) -> Bad<u64> {
        self.count_if(names)?.ok_or_else(|| self.missing(names[0]))
    }

    /// A count that may be 0.
    pub(super) fn count_or_zero(self, name: &str) -> Bad<u64> {
        match self.value(name) {
            None => Ok(0),
            Some(value) => match value.as_u64() {
                Some(n) if n <= MOST => Ok(n),
                _ => Err(self.wrong(name, value, &whole_number_from(0))),
            },
        }
    }

    /// A flag; `otherwise` if absent.
    pub(super) fn flag(self, name: &str, otherwise: bool) -> Bad<bool> {
        match self.value(name) {
            None => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(self.wrong(name, value, "true or false")),
        }
    }

    /// A text, if there.
    pub(super) fn text(self, name: &str) -> Bad<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(name, value, "a text")),
        }
    }

    /// A list of texts, if there.
    pub(super) fn texts(self, name: &str) -> Bad<Option<Vec<&'a str>>> {
        let all = "a list of texts";
        self.list(name, all, |value| value.as_str())
    }

    /// A list of whole numbers, if there.
    pub(super) fn numbers(self, name: &str) -> Bad<Option<Vec<u64>>> {
        let all = "a list of whole numbers";
        self.list(name, all, Value::as_u64)
    }

    /// The fields of each object of a list, if there.
    pub(super) fn objects(self, name: &'static str) -> Bad<Option<Vec<Self>>> {
        let all = "a list of objects";
        let objects = self.list(name, all, Value::as_object)?;
        let inside = |text: &'a Map<String, Value>| Self {
            text,
            prefix: Some(name),
            ..self
        };
        Ok(objects.map(|objects| objects.into_iter().map(inside).collect()))
    }

    fn list<T>(
        self,
        name: &str,
        must: &str,
        item: impl Fn(&'a Value) -> Option<T>,
    ) -> Bad<Option<Vec<T>>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let items = value
            .as_array()
            .and_then(|list| list.iter().map(item).collect());
        let items: Option<Vec<T>> = items;
        items.map(Some).ok_or_else(|| self.wrong(name, value, must))
    }

    /// The model's own data type: `dtype`, or `torch_dtype` as it was named before.
    pub(super) fn dtype(self) -> Bad<Option<&'a str>> {
        for fields in [self.text, self.whole] {
            for name in ["dtype", "torch_dtype"] {
                match fields.get(name).filter(|value| !value.is_null()) {
                    Some(Value::String(text)) => return Ok(Some(text)),
                    Some(value) => return Err(self.wrong(name, value, "a text")),
                    None => {}
                }
            }
        }
        Ok(None)
    }

    /// What `architectures` names, for an error.
    pub(super) fn architecture(self) -> String {
        let named = self
            .text
            .get("architectures")
            .or_else(|| self.whole.get("architectures"));
        let first = named.and_then(|list| list.get(0)).and_then(Value::as_str);
        first.unwrap_or("not named").to_owned()
    }
}
