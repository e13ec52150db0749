//! Warnings of one kind become one.

use serde_json::Value;

use crate::config::Level;
use crate::facts::warning::{Warning, WarningKind};
use crate::report::data::Report;

/// Warnings of one kind are one warning, with the numbers of the worst: those of
/// one backend, and those of all where more than two backends have it.
pub(super) fn merged(each: impl Iterator<Item = Warning>, report: &Report) -> Vec<Warning> {
    let mut found = joined(each);
    let kinds: Vec<Value> = found.iter().map(|w| without_numbers(&w.kind)).collect();
    for (warning, kind) in found.iter_mut().zip(&kinds) {
        let same = kinds.iter().filter(|other| *other == kind);
        if report.backends.len() > 2 && same.count() == report.backends.len() {
            warning.backend = None;
        }
    }
    let mut found = joined(found.into_iter());
    let place = |level: &Level| report.levels.iter().position(|other| other == level);
    for warning in &mut found {
        warning.levels.sort_by_key(place);
    }
    found
}

/// Joins those of the same kind and the same backend.
fn joined(each: impl Iterator<Item = Warning>) -> Vec<Warning> {
    let mut found: Vec<(Value, Warning)> = Vec::new();
    for warning in each {
        let kind = without_numbers(&warning.kind);
        let is_same = |(known, other): &&mut (Value, Warning)| {
            *known == kind && other.backend == warning.backend
        };
        match found.iter_mut().find(is_same) {
            Some((_, known)) => {
                known.more += warning.more + 1;
                if warning.kind.extent() > known.kind.extent() {
                    known.kind = warning.kind;
                }
                for level in warning.levels {
                    if !known.levels.contains(&level) {
                        known.levels.push(level);
                    }
                }
            }
            None => found.push((kind, warning)),
        }
    }
    found.into_iter().map(|(_, warning)| warning).collect()
}

/// What two warnings share that differ in their numbers only.
fn without_numbers(kind: &WarningKind) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Number(_) => *value = Value::Null,
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(values) => values.values_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::to_value(kind).unwrap_or_default();
    strip(&mut value);
    value
}
