//! The words for values and types in an option's schema.

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// Something that is allowed: a value by its name, or anything of a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// This value.
    Value(Value),
    /// Any value of the type.
    Type(JsonType),
}

impl Form {
    /// The name, if the form is one text.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Type(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Value(Value::String(text)) => format!("`{text}`"),
            Self::Value(value) => shown(value),
            Self::Type(kind) => type_name(*kind).to_owned(),
        }
    }
}

/// The forms that a schema's `type`, `enum` or `const` allows; none for other
/// keywords. null is not listed: omit the option instead.
pub(super) fn allowed(kind: &ValidationErrorKind) -> Vec<Form> {
    let forms: Vec<Form> = match kind {
        ValidationErrorKind::Type { kind } => match kind {
            TypeKind::Single(single) => vec![Form::Type(*single)],
            TypeKind::Multiple(types) => types.iter().map(Form::Type).collect(),
        },
        ValidationErrorKind::Enum { options } => match &**options {
            Value::Array(values) => values.iter().cloned().map(Form::Value).collect(),
            _ => Vec::new(),
        },
        ValidationErrorKind::Constant { expected_value } => {
            vec![Form::Value((**expected_value).clone())]
        }
        _ => Vec::new(),
    };
    let empty = [Form::Type(JsonType::Null), Form::Value(Value::Null)];
    forms
        .into_iter()
        .filter(|form| !empty.contains(form))
        .collect()
}

/// The forms as the end of "must be".
pub(super) fn one_of(forms: &[Form]) -> String {
    let texts: Vec<String> = forms.iter().map(Form::text).collect();
    match &texts[..] {
        [one] => one.clone(),
        [one, other] if forms.iter().any(|form| form.name().is_none()) => {
            format!("{one} or {other}")
        }
        _ => format!("one of {}", texts.join(", ")),
    }
}

/// A value as a message shows it: `empty`, `1.5`, `"fp9"`, `a list`.
pub(super) fn shown(value: &Value) -> String {
    const SHOWN: usize = 60;
    match value {
        Value::Null => "empty".to_owned(),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!("{:?}...", text.chars().take(SHOWN).collect::<String>())
        }
        Value::String(text) => format!("{text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A number without the `.0` that a schema made from a float type has.
pub(super) fn bare(limit: &Value) -> String {
    match limit.as_f64() {
        Some(number) if limit.is_f64() => number.to_string(),
        _ => limit.to_string(),
    }
}

/// A JSON type in the words of a config's author.
pub(super) fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "empty",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "a map",
    }
}
